/* infer/neyman.c - Neyman construction: the critical value of the deviance as a function of theta. */
#include "infer/infer.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FOLDS = 5,
    MOST_DEGREE = 8,
    MOST_TERMS = 70,
    PAIRS_A_TERM = 30, /* at least, in the smaller of the two sides of the quantile */
    STAGES = 4,        /* of smoothing */
    STEPS = 40,        /* of Newton in each */
    HALVINGS = 30,
    LEAST_SIDE = 10 /* pairs on each side of a quantile */
};
static const double SMOOTH[STAGES] = {1, 0.3, 0.1,
                                      0.05}; /* deviations of the deviance's root */
static const double RIDGE = 1e-9;
/* Where the ratio excludes the truth more often than the level allows the set is everything. */
static const double ENDLESS = 1e300;
static const double FLAT = 1e-8; /* gain of a Newton step at which it ends */

/* What a level's quantile is. */
typedef struct quantile {
    double level;
    int degree;
    double offset;
    double *coefficient; /* [terms of the degree] */
} quantile;

struct neyman {
    const target *target;
    size_t n_pairs, n_levels;
    quantile *quantile; /* levels ascending */
    double *centre;     /* [dim] of parameters whose prior has no distribution function */
    double *deviation;  /* [dim] */
    size_t n_terms;     /* of the highest degree */
    uint8_t (*power)[16]; /* [n_terms][dim] */
};

void neyman_free(neyman *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->quantile && i < m->n_levels; i++)
        free(m->quantile[i].coefficient);
    free(m->quantile);
    free(m->centre);
    free(m->power);
    free(m);
}

uint64_t neyman_least(double level)
{
    return (uint64_t)ceil(LEAST_SIDE / fmin(level, 1 - level) - 1e-9);
}

/* the basis: Legendre polynomials in 2 u - 1, u the prior mass below a parameter */

static size_t terms_of(uint32_t dim, int degree)
{
    double n = 1;
    for (uint32_t k = 1; k <= dim; k++)
        n = n * (degree + (double)k) / k;
    return (size_t)llround(n);
}

static int highest_degree(uint32_t dim, double pairs)
{
    int degree = 0;
    while (degree < MOST_DEGREE && terms_of(dim, degree + 1) <= MOST_TERMS &&
           (double)terms_of(dim, degree + 1) * PAIRS_A_TERM <= pairs)
        degree++;
    return degree;
}

/* All powers of a total degree, in the order of their digits; N counts terms so far. */
static void list_powers(neyman *m, uint32_t k, int left, uint8_t *power)
{
    uint32_t dim = m->target->n;
    if (k + 1 == dim) {
        power[k] = (uint8_t)left;
        memcpy(m->power[m->n_terms++], power, sizeof *m->power);
        return;
    }
    for (int p = left; p >= 0; p--) {
        power[k] = (uint8_t)p;
        list_powers(m, k + 1, left - p, power);
    }
}

/* Degree by degree, so that the first terms are those of a lower degree. */
static int lay_powers(neyman *m, int degree)
{
    uint8_t power[16] = {0};
    m->power = memory_new(terms_of(m->target->n, degree), sizeof *m->power);
    if (!m->power)
        return fail(NRE_ENOMEM, "no memory for critical values");
    m->n_terms = 0;
    for (int d = 0; d <= degree; d++)
        list_powers(m, 0, d, power);
    return NRE_OK;
}

/* In [-1, 1].  A custom prior has no distribution function: that of a normal distribution with the
 * moments of the pairs stands for it. */
static double placed(const neyman *m, uint32_t k, double theta)
{
    const marginal *one = target_marginal(m->target, k);
    double u = one->family == NRE_CUSTOM_PRIOR
                   ? gsl_cdf_ugaussian_P((theta - m->centre[k]) / m->deviation[k])
                   : marginal_cdf(one, theta);
    return fmin(fmax(2 * u - 1, -1), 1);
}

/* Terms of one theta, out [n_terms]. */
static void lay_terms(const neyman *m, const double *theta, size_t n_terms, double *out)
{
    double value[16][MOST_DEGREE + 1];
    uint32_t dim = m->target->n;
    for (uint32_t k = 0; k < dim; k++) {
        double z = placed(m, k, theta[k]), *p = value[k];
        p[0] = 1, p[1] = z;
        for (int d = 2; d <= MOST_DEGREE; d++)
            p[d] = ((2 * d - 1) * z * p[d - 1] - (d - 1) * p[d - 2]) / d;
    }
    for (size_t t = 0; t < n_terms; t++) {
        out[t] = 1;
        for (uint32_t k = 0; k < dim; k++)
            out[t] *= value[k][m->power[t][k]];
    }
}

static int find_moments(neyman *m, const neyman_plan *p)
{
    uint32_t dim = m->target->n;
    m->centre = memory_new(dim, 2 * sizeof *m->centre);
    if (!m->centre)
        return fail(NRE_ENOMEM, "no memory for critical values");
    m->deviation = m->centre + dim;
    for (uint32_t k = 0; k < dim; k++) {
        double sum = 0, squares = 0, n = (double)p->n;
        for (size_t i = 0; i < p->n; i++)
            sum += p->theta[i * dim + k] / n;
        for (size_t i = 0; i < p->n; i++)
            squares += pow(p->theta[i * dim + k] - sum, 2) / n;
        m->centre[k] = sum;
        m->deviation[k] = squares > 0 ? sqrt(squares) : 1;
    }
    return NRE_OK;
}

/* one fit: pinball loss, smoothed by a logistic distribution of scale H (Fernandes, Guerre & Horta
 * 2021), by Newton's method; H is lowered in stages */

typedef struct sample {
    size_t n, stride; /* rows; terms a row of X */
    const double *x;  /* [n][stride] */
    const double *y;  /* [n] */
    double scale;     /* of y */
    int skip;         /* rows whose number is this modulo FOLDS are left out; -1: none */
} sample;

typedef struct newton {
    const sample *s;
    double level, width;
    size_t p;
    double *at, *trial, *gradient, *step; /* [p] */
    double *hessian;                      /* [p][p] */
} newton;

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static bool left_out(const sample *s, size_t i)
{
    return s->skip >= 0 && i % FOLDS == (size_t)s->skip;
}

static double softplus(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}

static double loss_at(const newton *w, const double *at)
{
    const sample *s = w->s;
    double sum = 0;
    for (size_t i = 0; i < s->n; i++)
        if (!left_out(s, i)) {
            double r = s->y[i] - dot(w->p, s->x + i * s->stride, at);
            sum += w->level * r + w->width * softplus(-r / w->width);
        }
    return sum;
}

/* Gradient and the lower half of the Hessian of the loss at w->at. */
static void derivatives(newton *w)
{
    const sample *s = w->s;
    size_t p = w->p;
    memset(w->gradient, 0, p * sizeof *w->gradient);
    memset(w->hessian, 0, p * p * sizeof *w->hessian);
    for (size_t i = 0; i < s->n; i++) {
        const double *x = s->x + i * s->stride;
        if (left_out(s, i))
            continue;
        double r = (s->y[i] - dot(p, x, w->at)) / w->width;
        double below = r > 0 ? exp(-r) / (1 + exp(-r)) : 1 / (1 + exp(r));
        double bend = below * (1 - below) / w->width;
        for (size_t a = 0; a < p; a++) {
            w->gradient[a] -= (w->level - below) * x[a];
            double *row = w->hessian + a * p, factor = bend * x[a];
            for (size_t b = 0; factor != 0 && b <= a; b++)
                row[b] += factor * x[b];
        }
    }
}

/* step = -hessian^-1 gradient, by Cholesky; false when it is not positive definite. */
static bool solve(newton *w)
{
    size_t p = w->p;
    double *h = w->hessian;
    for (size_t a = 0; a < p; a++)
        for (size_t b = 0; b <= a; b++) {
            double sum = h[a * p + b] - dot(b, h + a * p, h + b * p);
            if (a == b && !(sum > 0))
                return false;
            h[a * p + b] = a == b ? sqrt(sum) : sum / h[b * p + b];
        }
    for (size_t a = 0; a < p; a++)
        w->step[a] = (-w->gradient[a] - dot(a, h + a * p, w->step)) / h[a * p + a];
    for (size_t a = p; a-- > 0;) {
        for (size_t b = a + 1; b < p; b++)
            w->step[a] -= h[b * p + a] * w->step[b];
        w->step[a] /= h[a * p + a];
    }
    return true;
}

/* A damped step; false when nothing is to be gained any more. */
static bool improve(newton *w, double *loss)
{
    size_t p = w->p;
    derivatives(w);
    double ridge = RIDGE * (double)w->s->n / w->width;
    for (size_t a = 0; a < p; a++)
        w->hessian[a * p + a] += ridge;
    if (!solve(w))
        return false;
    double slope = dot(p, w->gradient, w->step), length = 1;
    for (int i = 0; i < HALVINGS && -slope > FLAT * *loss; i++, length *= 0.5) {
        for (size_t a = 0; a < p; a++)
            w->trial[a] = w->at[a] + length * w->step[a];
        double now = loss_at(w, w->trial);
        if (now <= *loss + 1e-4 * length * slope) {
            memcpy(w->at, w->trial, p * sizeof *w->at);
            *loss = now;
            return true;
        }
    }
    return false;
}

/* Coefficients of P terms into OUT, from the start that is there, through the stages from FIRST. */
static int regress(const sample *s, double level, size_t p, int first, double *out)
{
    double *memory = memory_new(p * (p + 3), sizeof *memory);
    if (!memory)
        return fail(NRE_ENOMEM, "no memory for critical values");
    newton w = {.s = s,
                .level = level,
                .p = p,
                .at = out,
                .trial = memory,
                .gradient = memory + p,
                .step = memory + 2 * p,
                .hessian = memory + 3 * p};
    for (int stage = first; stage < STAGES; stage++) {
        w.width = SMOOTH[stage] * s->scale;
        double loss = loss_at(&w, out);
        for (int i = 0; i < STEPS && improve(&w, &loss); i++)
            ;
    }
    free(memory);
    return NRE_OK;
}

/* the choice of the degree, and the constant */

typedef struct fitting {
    const neyman_plan *plan;
    neyman *m;
    int highest;           /* degree */
    double *x;             /* [n][n_terms] */
    double *y;             /* [n] */
    double scale, endless; /* of y; how many deviances are infinite */
    double *sorted;        /* [n] y ascending */
    double *left_out; /* [n_levels][highest + 1][n] predictions of fits without the row */
    double *whole;    /* [n_levels][highest + 1][n_terms] of the fits to all rows */
} fitting;

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Degrees that a level's tail allows. */
static int highest_of(const fitting *f, double level)
{
    double tail = fmin(level, 1 - level) * (double)f->plan->n;
    int degree = highest_degree(f->m->target->n, tail);
    return degree < f->highest ? degree : f->highest;
}

static double start_of(const fitting *f, double level)
{
    return f->sorted[(size_t)(level * (double)(f->plan->n - 1))];
}

/* Task: a level, and a fold to leave out or, the last, none.  Each degree starts from the one
 * before. */
static int fit_one(void *context, size_t task, unsigned worker)
{
    const fitting *f = context;
    size_t fold = task % (FOLDS + 1), level = task / (FOLDS + 1);
    size_t n = f->plan->n, terms = f->m->n_terms;
    double wanted = f->m->quantile[level].level;
    sample s = {n, terms, f->x, f->y, f->scale, fold < FOLDS ? (int)fold : -1};
    int status = NRE_OK, highest = highest_of(f, wanted);
    (void)worker;
    double *at = memory_new(terms, sizeof *at);
    if (!at)
        return fail(NRE_ENOMEM, "no memory for critical values");
    at[0] = start_of(f, wanted);
    for (int d = 0; d <= highest && status == NRE_OK; d++) {
        size_t p = terms_of(f->m->target->n, d);
        size_t place = level * ((size_t)f->highest + 1) + (size_t)d;
        status = regress(&s, wanted, p, d == 0 ? 0 : STAGES - 1, at);
        if (fold == FOLDS)
            memcpy(f->whole + place * terms, at, p * sizeof *at);
        for (size_t i = fold; status == NRE_OK && fold < FOLDS && i < n; i += FOLDS)
            f->left_out[place * n + i] = dot(p, f->x + i * terms, at);
    }
    free(at);
    return status;
}

static double pinball(double level, size_t n, const double *y, const double *predicted)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double r = y[i] - predicted[i];
        sum += r > 0 ? level * r : (level - 1) * r;
    }
    return sum;
}

/* Of pairs that no fit has seen a fraction of the level, and no less, is to lie below: the quantile
 * of what they exceed their predictions by, as of n + 1 (Romano, Patterson & Candes 2019). */
static double offset_of(double level, size_t n, const double *y, const double *predicted,
                        double *scratch)
{
    size_t rank = (size_t)ceil(level * ((double)n + 1));
    for (size_t i = 0; i < n; i++)
        scratch[i] = y[i] - predicted[i];
    qsort(scratch, n, sizeof *scratch, compare);
    return scratch[(rank > n ? n : rank) - 1];
}

static int choose(fitting *f, size_t level)
{
    quantile *q = &f->m->quantile[level];
    size_t n = f->plan->n, degrees = (size_t)f->highest + 1, terms = f->m->n_terms;
    const double *predicted = f->left_out + level * degrees * n;
    double least = INFINITY;
    for (int d = 0; d <= highest_of(f, q->level); d++) {
        double loss = pinball(q->level, n, f->y, predicted + (size_t)d * n);
        if (loss < least) {
            least = loss;
            q->degree = d;
        }
    }
    size_t best = (size_t)q->degree, p = terms_of(f->m->target->n, q->degree);
    q->coefficient = memory_new(p, sizeof *q->coefficient);
    if (!q->coefficient)
        return fail(NRE_ENOMEM, "no memory for critical values");
    memcpy(q->coefficient, f->whole + (level * degrees + best) * terms,
           p * sizeof *q->coefficient);
    q->offset = offset_of(q->level, n, f->y, predicted + best * n, f->sorted);
    if ((1 - q->level) * ((double)n + 1) < f->endless + 1)
        q->offset = ENDLESS;
    return NRE_OK;
}

/* Roots of deviances; those without bound count as twice the largest. */
static void take_roots(fitting *f)
{
    double most = 0, sum = 0, squares = 0, n = (double)f->plan->n;
    for (size_t i = 0; i < f->plan->n; i++) {
        f->y[i] = sqrt(fmax(f->plan->deviance[i], 0));
        most = isfinite(f->y[i]) ? fmax(most, f->y[i]) : most;
    }
    for (size_t i = 0; i < f->plan->n; i++) {
        f->endless += !isfinite(f->y[i]);
        f->y[i] = isfinite(f->y[i]) ? f->y[i] : 2 * most + 1;
        sum += f->y[i] / n;
    }
    for (size_t i = 0; i < f->plan->n; i++)
        squares += pow(f->y[i] - sum, 2) / n;
    f->scale = squares > 0 ? sqrt(squares) : 1;
    memcpy(f->sorted, f->y, f->plan->n * sizeof *f->y);
    qsort(f->sorted, f->plan->n, sizeof *f->sorted, compare);
}

static int run_fits(fitting *f)
{
    const neyman_plan *p = f->plan;
    size_t terms = f->m->n_terms;
    size_t tasks = p->n_levels * (FOLDS + 1);
    int status = NRE_OK;
    for (size_t i = 0; i < p->n; i++)
        lay_terms(f->m, p->theta + i * p->target->n, terms, f->x + i * terms);
    take_roots(f);
    if (p->pool)
        status = pool_run(p->pool, tasks, fit_one, f);
    for (size_t i = 0; !p->pool && i < tasks && status == NRE_OK; i++)
        status = fit_one(f, i, 0);
    for (size_t i = 0; i < p->n_levels && status == NRE_OK; i++)
        status = choose(f, i);
    return status;
}

static int fit(const neyman_plan *p, neyman *m)
{
    fitting f = {.plan = p, .m = m};
    for (size_t i = 0; i < p->n_levels; i++) {
        double level = m->quantile[i].level;
        int degree = highest_degree(p->target->n, fmin(level, 1 - level) * (double)p->n);
        f.highest = degree > f.highest ? degree : f.highest;
    }
    int status = lay_powers(m, f.highest);
    if (status != NRE_OK)
        return status;
    size_t each = p->n_levels * ((size_t)f.highest + 1);
    f.x = memory_new(p->n, (m->n_terms + 2 + each) * sizeof *f.x);
    f.whole = memory_new(each * m->n_terms, sizeof *f.whole);
    if (f.x && f.whole) {
        f.y = f.x + p->n * m->n_terms;
        f.sorted = f.y + p->n;
        f.left_out = f.sorted + p->n;
        status = run_fits(&f);
    } else
        status = fail(NRE_ENOMEM, "no memory for critical values of %zu pairs", p->n);
    free(f.x);
    free(f.whole);
    return status;
}

static int check_plan(const neyman_plan *p)
{
    if (p->target->n < 1 || p->target->n > NEYMAN_PARAMETERS)
        return fail(NRE_ENOTSUP, "critical values are for at most %d parameters",
                    NEYMAN_PARAMETERS);
    for (size_t i = 0; i < p->n_levels; i++) {
        if (!(p->levels[i] > 0 && p->levels[i] < 1))
            return fail(NRE_EINVAL, "a Neyman set of level %g: a level lies in (0, 1)",
                        p->levels[i]);
        if (p->n < neyman_least(p->levels[i]))
            return fail(NRE_ECONFIG,
                        "%zu calibration pairs are too few for a Neyman set of level %g: "
                        "it needs %llu, so that %d lie on each side; raise "
                        "datasets.calibration.n or leave the level out",
                        p->n, p->levels[i],
                        (unsigned long long)neyman_least(p->levels[i]), LEAST_SIDE);
    }
    for (size_t i = 0; i < p->n; i++)
        if (isnan(p->deviance[i]))
            return fail(NRE_ENUMERIC, "the deviance of calibration pair %zu is NaN", i);
    return NRE_OK;
}

static int neyman_new(const target *t, size_t n_levels, neyman **out)
{
    *out = memory_new(1, sizeof **out);
    if (*out)
        (*out)->quantile = memory_new(n_levels > 0 ? n_levels : 1, sizeof(quantile));
    if (!*out || !(*out)->quantile)
        return fail(NRE_ENOMEM, "no memory for critical values");
    (*out)->target = t;
    (*out)->n_levels = n_levels;
    return NRE_OK;
}

static int by_level(const void *a, const void *b)
{
    return compare(&((const quantile *)a)->level, &((const quantile *)b)->level);
}

int neyman_fit(const neyman_plan *p, neyman **out)
{
    neyman *m = NULL;
    *out = NULL;
    int status = check_plan(p);
    if (status == NRE_OK)
        status = neyman_new(p->target, p->n_levels, &m);
    if (status == NRE_OK) {
        m->n_pairs = p->n;
        for (size_t i = 0; i < p->n_levels; i++)
            m->quantile[i].level = p->levels[i];
        qsort(m->quantile, m->n_levels, sizeof *m->quantile, by_level);
        status = find_moments(m, p);
    }
    if (status == NRE_OK)
        status = fit(p, m);
    if (status != NRE_OK) {
        neyman_free(m);
        return status;
    }
    *out = m;
    return NRE_OK;
}

/* use */

size_t neyman_pairs(const neyman *m)
{
    return m->n_pairs;
}

static size_t level_at(const neyman *m, double level)
{
    size_t i = 0;
    while (i < m->n_levels && m->quantile[i].level != level)
        i++;
    return i;
}

int neyman_degree(const neyman *m, double level)
{
    size_t i = level_at(m, level);
    return i < m->n_levels ? m->quantile[i].degree : -1;
}

int neyman_critical(const neyman *m, double level, size_t n, const double *theta,
                    double *value)
{
    double term[MOST_TERMS] = {0};
    size_t last = level_at(m, level);
    if (last == m->n_levels)
        return fail(NRE_EINVAL, "there is no critical value of level %g", level);
    for (size_t i = 0; i < n; i++) {
        double root = 0;
        lay_terms(m, theta + i * m->target->n, m->n_terms, term);
        for (size_t j = 0; j <= last; j++) {
            const quantile *q = &m->quantile[j];
            size_t p = terms_of(m->target->n, q->degree);
            root = fmax(root, dot(p, term, q->coefficient) + q->offset);
        }
        value[i] = root * root;
    }
    return NRE_OK;
}

/* JSON */

static json_t *reals_json(size_t n, const double *value)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real(value[i]));
    return list;
}

json_t *neyman_json(const neyman *m)
{
    json_t *levels = json_array();
    for (size_t i = 0; i < m->n_levels; i++) {
        const quantile *q = &m->quantile[i];
        json_array_append_new(
            levels,
            json_pack("{s:f, s:i, s:f, s:o}", "level", q->level, "degree", q->degree,
                      "offset", q->offset, "coefficients",
                      reals_json(terms_of(m->target->n, q->degree), q->coefficient)));
    }
    return json_pack("{s:s, s:I, s:o, s:o, s:o}", "target", m->target->name, "pairs",
                     (json_int_t)m->n_pairs, "centre",
                     reals_json(m->target->n, m->centre), "deviation",
                     reals_json(m->target->n, m->deviation), "levels", levels);
}

static int reals_read(const json_t *list, size_t n, double *out)
{
    if (json_array_size(list) != n)
        return fail(NRE_EDATA, "%zu numbers where %zu belong", json_array_size(list), n);
    for (size_t i = 0; i < n; i++) {
        if (!json_is_number(json_array_get(list, i)))
            return fail(NRE_EDATA, "a critical value's number %zu is none", i);
        out[i] = json_number_value(json_array_get(list, i));
    }
    return NRE_OK;
}

static int level_read(const json_t *j, uint32_t dim, quantile *q)
{
    const json_t *degree = json_object_get(j, "degree");
    json_int_t d = json_integer_value(degree);
    q->level = json_number_value(json_object_get(j, "level"));
    q->offset = json_number_value(json_object_get(j, "offset"));
    if (!json_is_integer(degree) || d < 0 || d > MOST_DEGREE ||
        terms_of(dim, (int)d) > MOST_TERMS || !(q->level > 0 && q->level < 1))
        return fail(NRE_EDATA, "a level of critical values has no level or degree");
    q->degree = (int)d;
    q->coefficient = memory_new(terms_of(dim, q->degree), sizeof *q->coefficient);
    return q->coefficient ? reals_read(json_object_get(j, "coefficients"),
                                       terms_of(dim, q->degree), q->coefficient)
                          : fail(NRE_ENOMEM, "no memory for critical values");
}

static int all_read(const json_t *j, const target *t, neyman *m)
{
    int highest = 0, status = NRE_OK;
    json_int_t pairs = json_integer_value(json_object_get(j, "pairs"));
    m->n_pairs = pairs > 0 ? (size_t)pairs : 0;
    m->centre = memory_new(t->n, 2 * sizeof *m->centre);
    if (!m->centre)
        return fail(NRE_ENOMEM, "no memory for critical values");
    m->deviation = m->centre + t->n;
    status = reals_read(json_object_get(j, "centre"), t->n, m->centre);
    if (status == NRE_OK)
        status = reals_read(json_object_get(j, "deviation"), t->n, m->deviation);
    for (size_t i = 0; i < m->n_levels && status == NRE_OK; i++) {
        status = level_read(json_array_get(json_object_get(j, "levels"), i), t->n,
                            &m->quantile[i]);
        highest = m->quantile[i].degree > highest ? m->quantile[i].degree : highest;
    }
    return status == NRE_OK ? lay_powers(m, highest) : status;
}

int neyman_read(const json_t *j, const target *t, neyman **out)
{
    const char *name = json_string_value(json_object_get(j, "target"));
    neyman *m = NULL;
    *out = NULL;
    if (!name || strcmp(name, t->name) != 0 || t->n < 1 || t->n > 16)
        return fail(NRE_EDATA, "these critical values are of target '%s', not '%s'",
                    name ? name : "?", t->name);
    int status = neyman_new(t, json_array_size(json_object_get(j, "levels")), &m);
    if (status == NRE_OK)
        status = all_read(j, t, m);
    if (status != NRE_OK) {
        neyman_free(m);
        return status;
    }
    *out = m;
    return NRE_OK;
}
