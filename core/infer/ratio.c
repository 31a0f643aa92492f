/* infer/ratio.c - log r(x | theta) of whatever kind: workers, observed rows, evaluation.
 */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { JOINT_PAIRS = 2048 }; /* of one call when several rows are summed */

void *room_take(room *r, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        return NULL;
    if (bytes > r->bytes || !r->at) {
        room_release(r);
        r->at = memory_new(bytes + bytes / 4, 1);
        r->bytes = r->at ? bytes + bytes / 4 : 0;
    }
    return r->at;
}

void room_release(room *r)
{
    free(r->at);
    *r = (room){0};
}

void ratio_free(ratio *r)
{
    if (r)
        r->kind->free(r);
}

const target *ratio_target(const ratio *r)
{
    return r->target;
}

size_t ratio_n_x(const ratio *r)
{
    return r->n_x;
}

bool ratio_is_normalised(const ratio *r)
{
    return r->normalised;
}

void ratio_set_up_to_x(ratio *r)
{
    r->normalised = false;
}

bool ratio_has_gradient(const ratio *r)
{
    return r->has_gradient;
}

int ratio_worker_new(const ratio *r, ratio_worker **out)
{
    ratio_worker *w = memory_new(1, sizeof *w);
    if (!w)
        return fail(NRE_ENOMEM, "no memory for a worker of the ratio");
    w->ratio = r;
    int status = r->kind->worker ? r->kind->worker(r, &w->own) : NRE_OK;
    if (status != NRE_OK) {
        free(w);
        return status;
    }
    *out = w;
    return NRE_OK;
}

void ratio_worker_free(ratio_worker *w)
{
    if (!w)
        return;
    if (w->own)
        w->ratio->kind->worker_free(w->own);
    for (size_t i = 0; i < SCRATCH_USES; i++)
        room_release(&w->scratch[i]);
    free(w->axes.point);
    free(w);
}

int observed_new(const ratio *r, observed **out)
{
    (void)r;
    *out = memory_new(1, sizeof **out);
    return *out ? NRE_OK : fail(NRE_ENOMEM, "no memory for observed rows");
}

void observed_free(observed *o)
{
    if (!o)
        return;
    for (size_t m = 0; m < o->n_members; m++)
        observed_free(o->member[m]);
    free(o->member);
    room_release(&o->row);
    room_release(&o->offset);
    free(o);
}

int ratio_observe(const ratio *r, ratio_worker *w, size_t n, const float *x, observed *o)
{
    o->n = 0;
    int status = r->kind->observe ? r->kind->observe(r, w->own, n, x, o) : NRE_OK;
    if (status == NRE_OK)
        o->n = n;
    return status;
}

point_text point_describe(const target *t, const double *theta)
{
    point_text p = {""};
    size_t used = 0;
    for (uint32_t k = 0; k < t->n && used < sizeof p.text; k++) {
        const char *name = target_marginal(t, k)->name;
        int n = snprintf(p.text + used, sizeof p.text - used, "%s%s = %.9g",
                         k > 0 ? ", " : "", name ? name : "theta", theta[k]);
        used += n > 0 ? (size_t)n : 0;
    }
    return p;
}

int ratio_evaluate(const ratio *r, ratio_worker *w, const observed *o, size_t first,
                   size_t n, size_t per_x, const double *theta, double *log_ratio,
                   double *gradient)
{
    bug_if(first > o->n || n > o->n - first);
    if (n == 0 || per_x == 0)
        return NRE_OK;
    int status =
        r->kind->evaluate(r, w->own, o, first, n, per_x, theta, log_ratio, gradient);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < n * per_x; i++)
        if (!(log_ratio[i] < INFINITY))
            return fail(NRE_ENUMERIC, "the log ratio of row %zu is %g at %s",
                        first + i / per_x, log_ratio[i],
                        point_describe(r->target, theta + i * r->target->n).text);
    return NRE_OK;
}

/* Length of the run of equal rows at the beginning. */
static size_t run_of(size_t n, const size_t *row)
{
    size_t run = 1;
    while (run < n && row[run] == row[0])
        run++;
    return run;
}

/* Rows one after another, each as often as the first. */
static bool is_rectangle(size_t n, const size_t *row, size_t run)
{
    if (n % run != 0)
        return false;
    for (size_t i = run; i < n; i++)
        if (row[i] != row[0] + i / run)
            return false;
    return true;
}

static int evaluate_runs(const ratio *r, ratio_worker *w, const observed *o, size_t n,
                         const size_t *row, const double *theta, double *log_ratio,
                         double *gradient)
{
    size_t d = r->target->n, run;
    int status = NRE_OK;
    for (size_t i = 0; i < n && status == NRE_OK; i += run) {
        run = run_of(n - i, row + i);
        status = ratio_evaluate(r, w, o, row[i], 1, run, theta + i * d, log_ratio + i,
                                gradient ? gradient + i * d : NULL);
    }
    return status;
}

static int check_ratios(const ratio *r, size_t n, const size_t *row, const double *theta,
                        const double *log_ratio)
{
    for (size_t i = 0; i < n; i++)
        if (!(log_ratio[i] < INFINITY))
            return fail(NRE_ENUMERIC, "the log ratio of row %zu is %g at %s", row[i],
                        log_ratio[i],
                        point_describe(r->target, theta + i * r->target->n).text);
    return NRE_OK;
}

int ratio_evaluate_pairs(const ratio *r, ratio_worker *w, const observed *o, size_t n,
                         const size_t *row, const double *theta, double *log_ratio,
                         double *gradient)
{
    if (n == 0)
        return NRE_OK;
    size_t run = run_of(n, row);
    if (is_rectangle(n, row, run))
        return ratio_evaluate(r, w, o, row[0], n / run, run, theta, log_ratio, gradient);
    if (!r->kind->pairs)
        return evaluate_runs(r, w, o, n, row, theta, log_ratio, gradient);
    for (size_t i = 0; i < n; i++)
        bug_if(row[i] >= o->n);
    int status = r->kind->pairs(r, w->own, o, n, row, theta, log_ratio, gradient);
    return status == NRE_OK ? check_ratios(r, n, row, theta, log_ratio) : status;
}

static void add(size_t n, double *sum, const double *term)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += term[i];
}

/* Rows come in blocks, so that few thetas still fill a call; they are added in order. */
int ratio_joint(const ratio *r, ratio_worker *w, const observed *o, size_t row,
                size_t n_rows, size_t n, const double *theta, double *log_ratio,
                double *gradient)
{
    if (n_rows == 1)
        return ratio_evaluate(r, w, o, row, 1, n, theta, log_ratio, gradient);
    bug_if(row > o->n || n_rows > o->n - row);
    if (r->kind->joint)
        return r->kind->joint(r, w->own, o, row, n_rows, n, theta, log_ratio, gradient);
    size_t d = r->target->n, most = n < JOINT_PAIRS ? JOINT_PAIRS / (n > 0 ? n : 1) : 1;
    size_t pairs = most * n;
    double *copy =
        room_take(&w->scratch[SCRATCH_JOINT], pairs * (2 * d + 1), sizeof *copy);
    if (!copy)
        return fail(NRE_ENOMEM, "no memory for %zu pairs of theta and x", pairs);
    double *value = copy + pairs * d, *slope = gradient ? value + pairs : NULL;
    for (size_t i = 0; i < most; i++)
        memcpy(copy + i * n * d, theta, n * d * sizeof *theta);
    memset(log_ratio, 0, n * sizeof *log_ratio);
    if (gradient)
        memset(gradient, 0, n * d * sizeof *gradient);
    for (size_t done = 0; done < n_rows; done += most) {
        size_t some = n_rows - done < most ? n_rows - done : most;
        int status = ratio_evaluate(r, w, o, row + done, some, n, copy, value, slope);
        if (status != NRE_OK)
            return status;
        for (size_t i = 0; i < some; i++) {
            add(n, log_ratio, value + i * n);
            if (gradient)
                add(n * d, gradient, slope + i * n * d);
        }
    }
    return NRE_OK;
}
