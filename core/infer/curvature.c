/* infer/curvature.c - errors of maxima, from secants of the gradient. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double STEP = 0.5;   /* posterior deviations */
static const double CLOSE = 0.05; /* a shorter step: the maximum sits at a bound */
static const double FLAT = 1e-6;  /* curvature by posterior deviations that is none */

static const char NO_GRADIENT[] =
    "the estimator has no gradient, so the curvature at its maximum is not known";
static const char AT_BOUND[] =
    "it lies at a bound of the prior, where a curvature gives no error";
static const char NOT_DEFINITE[] =
    "the curvature is not that of a maximum: the Hessian is not negative definite";

/* Along one parameter from AT; 0 where an end of the support is too near. */
static double step_of(const marginal *m, double at, double deviation)
{
    double lo, hi;
    marginal_support(m, &lo, &hi);
    double half = 0.5 * fmin(at - lo, hi - at), step = fmin(STEP * deviation, half);
    return step >= CLOSE * deviation && at + step > at ? step : 0;
}

/* S = L L^T in its lower triangle; false where a pivot is not above FLAT. */
static bool cholesky(size_t d, double *s)
{
    for (size_t i = 0; i < d; i++)
        for (size_t j = 0; j <= i; j++) {
            double sum = s[i * d + j];
            for (size_t k = 0; k < j; k++)
                sum -= s[i * d + k] * s[j * d + k];
            if (i == j && !(sum > FLAT))
                return false;
            s[i * d + j] = i == j ? sqrt(sum) : sum / s[j * d + j];
        }
    return true;
}

/* OUT = (L L^T)^-1, column by column. */
static void invert(size_t d, const double *l, double *out)
{
    for (size_t c = 0; c < d; c++) {
        for (size_t i = 0; i < d; i++) {
            double sum = i == c;
            for (size_t k = 0; k < i; k++)
                sum -= l[i * d + k] * out[k * d + c];
            out[i * d + c] = sum / l[i * d + i];
        }
        for (size_t i = d; i-- > 0;) {
            double sum = out[i * d + c];
            for (size_t k = i + 1; k < d; k++)
                sum -= l[k * d + i] * out[k * d + c];
            out[i * d + c] = sum / l[i * d + i];
        }
    }
}

/* Gradients [2 d][d] on either side along each parameter -> covariance [d][d], in units of
 * the deviations; SCRATCH [d][d]. */
static bool covariance_of(size_t d, const double *gradient, const double *step,
                          const double *deviation, double *scratch, double *out)
{
    for (size_t k = 0; k < d; k++)
        for (size_t j = 0; j < d; j++) {
            double secant = gradient[2 * k * d + j] - gradient[(2 * k + 1) * d + j];
            out[k * d + j] = -secant / (2 * step[k]) * deviation[k] * deviation[j];
        }
    for (size_t k = 0; k < d; k++)
        for (size_t j = 0; j < d; j++)
            scratch[k * d + j] = 0.5 * (out[k * d + j] + out[j * d + k]);
    if (!cholesky(d, scratch))
        return false;
    invert(d, scratch, out);
    for (size_t k = 0; k < d; k++)
        for (size_t j = 0; j < d; j++)
            out[k * d + j] *= deviation[k] * deviation[j];
    return true;
}

/* The points [2 d][d] of one maximum, and its steps; where one is too near to an end, the
 * maximum itself. */
static bool lay_points(const target *t, const double *theta, const double *deviation,
                       double *step, double *point)
{
    size_t d = t->n;
    bool inside = true;
    for (uint32_t k = 0; k < d; k++) {
        step[k] = step_of(target_marginal(t, k), theta[k], deviation[k]);
        inside = inside && step[k] > 0;
        for (int side = 0; side < 2; side++, point += d) {
            memcpy(point, theta, d * sizeof *point);
            point[k] += side ? -step[k] : step[k];
        }
    }
    return inside;
}

static void no_covariance(size_t d, double *covariance)
{
    for (size_t i = 0; i < d * d; i++)
        covariance[i] = NAN;
}

int curvature_of(const curvature_request *r, double *covariance, const char **reason)
{
    const target *t = posterior_target(r->posterior);
    size_t d = t->n, n = r->n, points = n * 2 * d;
    bool has = ratio_has_gradient(r->posterior->ratio);
    for (size_t i = 0; i < n; i++) {
        no_covariance(d, covariance + i * d * d);
        reason[i] = has ? NULL : NO_GRADIENT;
    }
    if (!has || n == 0)
        return NRE_OK;
    double *point = memory_new(points * (3 * d + 2) + n * d + d * d, sizeof *point);
    if (!point)
        return fail(NRE_ENOMEM, "no memory for the errors of %zu maxima", n);
    double *gradient = point + points * d, *value = gradient + points * d,
           *step = value + points, *scratch = step + n * d;
    objective f = {r->posterior, r->worker,       r->observed,
                   r->row,       r->n_rows,       n,
                   r->kind,      scratch + d * d, scratch + d * d + points};
    for (size_t i = 0; i < n; i++)
        if (!lay_points(t, r->theta + i * d, r->deviation + i * d, step + i * d,
                        point + i * 2 * d * d))
            reason[i] = AT_BOUND;
    int status = objective_at(&f, 2 * d, point, value, gradient);
    for (size_t i = 0; status == NRE_OK && i < n; i++) {
        double *to = covariance + i * d * d;
        if (reason[i] || covariance_of(d, gradient + i * 2 * d * d, step + i * d,
                                       r->deviation + i * d, scratch, to))
            continue;
        no_covariance(d, to);
        reason[i] = NOT_DEFINITE;
    }
    free(point);
    return status;
}
