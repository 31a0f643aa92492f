/* infer/calibration_map.c - maps from a classifier's output to a log ratio: bins, steps, a line. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A bin holds so many pairs of each kind, and this share of both: its log ratio is known to
 * sqrt(2 / 50) = 0.2 at worst. */
enum { BIN_COUNT = 50 };
static const double BIN_SHARE = 0.02;
/* A kind of pair that a step lacks counts for half a pair, so that its log ratio is finite. */
static const double HALF_PAIR = 0.5;
enum { NEWTON_STEPS = 100, HALVINGS = 30 };
/* Below this gain in nats the loss is all rounding: the step is the last, and its own error the square of
 * it. */
static const double NEWTON_END = 1e-13;

const char *const CALIBRATION_NAMES[] = {"histogram", "isotonic", "platt", NULL};

void output_map_release(output_map *m)
{
    free(m->edge);
    free(m->value);
    *m = (output_map){0};
}

double output_map_at(const output_map *m, double s)
{
    size_t low = 0, high = m->n ? m->n - 1 : 0;
    if (!m->n)
        return m->slope != 0 ? m->intercept + m->slope * s : m->intercept;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s < m->edge[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return m->value[low];
}

static int by_value(const void *a, const void *b)
{
    double x = ((const output *)a)->value, y = ((const output *)b)->value;
    return (x > y) - (x < y);
}

/* Outputs that follow each other: what they count for by kind, and which they are. */
typedef struct step {
    double joint, marginal;
    double low, high; /* of s */
} step;

static void step_add(step *to, const step *more)
{
    to->joint += more->joint;
    to->marginal += more->marginal;
    to->high = more->high;
}

/* One step for each value of s; they take no more room than the outputs. */
static size_t steps_of(size_t n, const output *o, step *out)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        step one = {o[i].joint ? o[i].count : 0, o[i].joint ? 0 : o[i].count, o[i].value,
                    o[i].value};
        if (m && out[m - 1].high == one.low)
            step_add(&out[m - 1], &one);
        else
            out[m++] = one;
    }
    return m;
}

/* From low s to high, a bin as soon as it holds enough; what is left over joins the last. */
static size_t merge_bins(size_t n, step *s, const step *all)
{
    size_t m = 0;
    bool full = true;
    for (size_t i = 0; i < n; i++) {
        if (full)
            s[m++] = s[i];
        else
            step_add(&s[m - 1], &s[i]);
        const step *b = &s[m - 1];
        full = b->joint >= BIN_COUNT && b->marginal >= BIN_COUNT &&
               b->joint / all->joint + b->marginal / all->marginal >= 2 * BIN_SHARE;
    }
    if (!full && m > 1) {
        step_add(&s[m - 2], &s[m - 1]);
        m--;
    }
    return m;
}

/* Pool adjacent violators: the fraction of joint pairs must rise from step to step. */
static size_t merge_violators(size_t n, step *s)
{
    size_t m = 0;
    for (size_t i = 0; i < n; i++) {
        s[m++] = s[i];
        while (m > 1 &&
               s[m - 2].joint * s[m - 1].marginal >= s[m - 1].joint * s[m - 2].marginal) {
            step_add(&s[m - 2], &s[m - 1]);
            m--;
        }
    }
    return m;
}

/* Finite where a step has one kind of pair only, and still rising. */
static void clip_isotonic(size_t n, const step *s, double *value)
{
    for (size_t i = n; i-- > 1;)
        if (s[i - 1].joint < HALF_PAIR)
            value[i - 1] = fmin(value[i - 1], value[i]);
    for (size_t i = 1; i < n; i++)
        if (s[i].marginal < HALF_PAIR)
            value[i] = fmax(value[i], value[i - 1]);
}

static int fit_steps(calibration_kind kind, size_t n, const output *o, const step *all,
                     output_map *out)
{
    step *s = memory_new(n, sizeof *s);
    if (!s)
        return fail(NRE_ENOMEM, "no memory to calibrate by %zu pairs", n);
    size_t m = steps_of(n, o, s);
    m = kind == CALIBRATION_ISOTONIC ? merge_violators(m, s) : merge_bins(m, s, all);
    out->n = m;
    out->edge = memory_new(m, sizeof *out->edge);
    out->value = memory_new(m, sizeof *out->value);
    for (size_t i = 0; out->edge && out->value && i < m; i++) {
        out->value[i] = log(fmax(s[i].joint, HALF_PAIR) / all->joint) -
                        log(fmax(s[i].marginal, HALF_PAIR) / all->marginal);
        if (i)
            out->edge[i - 1] = s[i - 1].high + (s[i].low - s[i - 1].high) / 2;
    }
    if (out->value && kind == CALIBRATION_ISOTONIC)
        clip_isotonic(m, s, out->value);
    free(s);
    return out->edge && out->value
               ? NRE_OK
               : fail(NRE_ENOMEM, "no memory to calibrate by %zu pairs", n);
}

/* Platt's line: minus the log likelihood of joint against marginal pairs, each kind as heavy as the
 * other, in u = (s - centre) / scale. */
typedef struct line_fit {
    size_t n;
    const output *o;
    const step *all;
    double centre, scale;
    double loss, slope[2], curve[3]; /* at the last point asked for; 00 01 11 */
} line_fit;

/* With targets (N + 1) / (N + 2) and 1 / (N + 2) for the two kinds (Platt 1999, section 2.2), so
 * that separable pairs have a finite line. */
static void line_loss(line_fit *f, const double at[2])
{
    double wanted[2] = {1 / (f->all->marginal + 2),
                        (f->all->joint + 1) / (f->all->joint + 2)};
    double weight[2] = {0.5 / f->all->marginal, 0.5 / f->all->joint};
    f->loss = 0;
    memset(f->slope, 0, sizeof f->slope);
    memset(f->curve, 0, sizeof f->curve);
    for (size_t i = 0; i < f->n; i++) {
        double u = (f->o[i].value - f->centre) / f->scale, l = at[0] + at[1] * u;
        double p = 1 / (1 + exp(-l)), w = f->o[i].count * weight[f->o[i].joint];
        double t = wanted[f->o[i].joint], c = w * p * (1 - p);
        f->loss += w * (fmax(l, 0) + log1p(exp(-fabs(l))) - t * l);
        f->slope[0] += w * (p - t);
        f->slope[1] += w * (p - t) * u;
        f->curve[0] += c;
        f->curve[1] += c * u;
        f->curve[2] += c * u * u;
    }
}

/* One step of Newton's method, halved until the loss falls; false at the minimum. */
static bool newton(line_fit *f, double at[2])
{
    double loss = f->loss;
    double determinant = f->curve[0] * f->curve[2] - f->curve[1] * f->curve[1];
    double d[2] = {-(f->curve[2] * f->slope[0] - f->curve[1] * f->slope[1]) / determinant,
                   -(f->curve[0] * f->slope[1] - f->curve[1] * f->slope[0]) /
                       determinant};
    double fall = -(d[0] * f->slope[0] + d[1] * f->slope[1]);
    if (!isfinite(fall))
        return false;
    if (fall < NEWTON_END) {
        at[0] += d[0];
        at[1] += d[1];
        return false;
    }
    double part = 1;
    for (int i = 0; i < HALVINGS; i++, part /= 2) {
        double next[2] = {at[0] + part * d[0], at[1] + part * d[1]};
        line_loss(f, next);
        if (f->loss <= loss) {
            memcpy(at, next, sizeof next);
            return true;
        }
    }
    return false;
}

/* Centre and scale of s, each kind of pair as heavy as the other. */
static void line_scale(line_fit *f)
{
    double mean = 0, square = 0;
    for (size_t i = 0; i < f->n; i++)
        mean += f->o[i].value * f->o[i].count *
                (f->o[i].joint ? 0.5 / f->all->joint : 0.5 / f->all->marginal);
    for (size_t i = 0; i < f->n; i++) {
        double away = f->o[i].value - mean;
        square += away * away * f->o[i].count *
                  (f->o[i].joint ? 0.5 / f->all->joint : 0.5 / f->all->marginal);
    }
    f->centre = mean;
    f->scale = sqrt(square);
}

static void fit_line(size_t n, const output *o, const step *all, output_map *out)
{
    line_fit f = {.n = n, .o = o, .all = all};
    double at[2] = {0, 1};
    line_scale(&f);
    *out = (output_map){0};
    if (!(f.scale > 0)) /* all the same: nothing is known */
        return;
    line_loss(&f, at);
    for (size_t i = 0; i < NEWTON_STEPS && newton(&f, at); i++)
        ;
    if (!(at[1] > 0)) { /* the best line that does not fall */
        log_say(NRE_WARN, "a calibrated log ratio would fall with the network's: it is "
                          "0 everywhere, the prior's");
        return;
    }
    out->slope = at[1] / f.scale;
    out->intercept = at[0] - out->slope * f.centre;
}

int output_map_fit(calibration_kind kind, size_t n, output *o, output_map *out)
{
    step all = {0};
    *out = (output_map){0};
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(o[i].value))
            return fail(NRE_ENUMERIC, "a log ratio of the calibration set is %g",
                        o[i].value);
        *(o[i].joint ? &all.joint : &all.marginal) += o[i].count;
    }
    if (!(all.joint > 0) || !(all.marginal > 0))
        return fail(NRE_ENUMERIC, "a calibration needs joint and marginal pairs");
    qsort(o, n, sizeof *o, by_value);
    if (kind == CALIBRATION_PLATT) {
        fit_line(n, o, &all, out);
        return NRE_OK;
    }
    int status = fit_steps(kind, n, o, &all, out);
    if (status != NRE_OK)
        output_map_release(out);
    return status;
}
