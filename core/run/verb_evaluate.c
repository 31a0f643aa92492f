/* nereid evaluate: log ratios, log posteriors and gradients of given pairs. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 4096 }; /* pairs at a time */

typedef struct pairs {
    const estimator *estimator;
    const target *target;
    size_t n, n_x; /* pairs; rows of x: n, or 1 for all */
    size_t width;  /* of a row of x */
    double *theta; /* [n][target n] */
    float *x;      /* [n_x][width] */
    double *out;   /* [n][2 + target n] */
} pairs;

/* Rows of a .npy of floats, axes after the first flattened. */
static int read_rows(const char *path, size_t width, npy *a, size_t *n)
{
    int rc = npy_read(path, a);
    if (rc)
        return rc;
    uint64_t total = 1, rows = a->rank ? a->dim[0] : 1;
    for (unsigned i = 0; i < a->rank; i++)
        total *= a->dim[i];
    if (a->rank == 1 && total == width)
        rows = 1;
    if (a->type != 'f' || !rows || total != rows * width)
        return fail(NRE_EDATA,
                    "'%s': expected floats of shape [n][%zu], found %llu numbers in "
                    "%llu rows",
                    path, width, (unsigned long long)total, (unsigned long long)rows);
    *n = (size_t)rows;
    return NRE_OK;
}

static double item_of(const npy *a, size_t i)
{
    return a->width == 4 ? (double)((const float *)a->data)[i]
                         : ((const double *)a->data)[i];
}

/* Every theta must lie in the prior: outside it the network has never been. */
static int check_support(const pairs *p, const char *path)
{
    for (size_t i = 0; i < p->n * p->target->n; i++) {
        const marginal *m = &p->target->prior->of[p->target->which[i % p->target->n]];
        double lo, hi;
        marginal_support(m, &lo, &hi);
        if (!(p->theta[i] >= lo && p->theta[i] <= hi))
            return fail(NRE_EDATA,
                        "'%s': row %zu: %s = %g lies outside its prior, [%g, %g]", path,
                        i / p->target->n, m->name, p->theta[i], lo, hi);
    }
    return NRE_OK;
}

static int read_theta(const char *path, pairs *p)
{
    npy a = {0};
    int rc = read_rows(path, p->target->n, &a, &p->n);
    if (!rc && !(p->theta = memory_new(p->n * p->target->n, sizeof *p->theta)))
        rc = fail(NRE_ENOMEM, "no memory for '%s'", path);
    for (size_t i = 0; !rc && i < p->n * p->target->n; i++)
        p->theta[i] = item_of(&a, i);
    npy_free(&a);
    return rc ? rc : check_support(p, path);
}

static int read_x(const char *path, pairs *p)
{
    npy a = {0};
    int rc = read_rows(path, p->width, &a, &p->n_x);
    if (!rc && p->n_x != 1 && p->n_x != p->n)
        rc = fail(NRE_EDATA,
                  "'%s' has %zu rows for %zu thetas; give one for each, or a single one",
                  path, p->n_x, p->n);
    if (!rc && !(p->x = memory_new(p->n_x * p->width, sizeof *p->x)))
        rc = fail(NRE_ENOMEM, "no memory for '%s'", path);
    for (size_t i = 0; !rc && i < p->n_x * p->width; i++)
        p->x[i] = (float)item_of(&a, i);
    npy_free(&a);
    return rc;
}

/* Pairs FROM .. FROM + N - 1 into their rows of p->out. */
static int evaluate_block(const pairs *p, ratio_worker *w, observed *o, size_t from,
                          size_t n, double *ratio_, double *prior_, double *gradient)
{
    uint32_t k = p->target->n;
    const double *theta = p->theta + from * k;
    bool single = p->n_x == 1;
    int rc = NRE_OK;
    if (!single || !from)
        rc = ratio_observe(p->estimator->ratio, w, single ? 1 : n,
                           single ? p->x : p->x + from * p->width, o);
    if (!rc)
        rc = ratio_evaluate(p->estimator->ratio, w, o, 0, single ? 1 : n, single ? n : 1,
                            theta, ratio_, gradient);
    if (!rc)
        rc = posterior_log_prior(&p->estimator->posterior, n, theta, prior_, NULL);
    for (size_t i = 0; i < n && !rc; i++)
        if (p->estimator->posterior.truncation && !(ratio_[i] > -INFINITY))
            rc = fail(
                NRE_EDATA,
                "theta of row %zu lies outside what the rounds of this run have left of "
                "the prior, where its networks have never been",
                from + i);
    for (size_t i = 0; i < n && !rc; i++) {
        double *row = p->out + (from + i) * (2 + k);
        row[0] = ratio_[i];
        row[1] = ratio_[i] + prior_[i];
        memcpy(row + 2, gradient + i * k, k * sizeof *row);
    }
    return rc;
}

static int evaluate_pairs(pairs *p)
{
    uint32_t k = p->target->n;
    double *buffer = memory_new(BLOCK * (2 + (size_t)k), sizeof *buffer);
    p->out = memory_new(p->n * (2 + (size_t)k), sizeof *p->out);
    ratio_worker *w = NULL;
    observed *o = NULL;
    int rc =
        buffer && p->out ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu pairs", p->n);
    if (!rc)
        rc = ratio_worker_new(p->estimator->ratio, &w);
    if (!rc)
        rc = observed_new(p->estimator->ratio, &o);
    for (size_t i = 0; i < p->n && !rc; i += BLOCK)
        rc = evaluate_block(p, w, o, i, p->n - i < BLOCK ? p->n - i : BLOCK, buffer,
                            buffer + BLOCK, buffer + 2 * BLOCK);
    observed_free(o);
    ratio_worker_free(w);
    free(buffer);
    return rc;
}

static int evaluate_run(run *r, const command *c)
{
    session *s = r->session;
    estimator *e = NULL;
    pairs p = {.width = simulator_n_x(s->simulator)};
    size_t i = 0;
    while (c->target && i < s->n_targets && strcmp(s->targets[i].name, c->target) != 0)
        i++;
    if (i == s->n_targets)
        return fail(NRE_EUSAGE,
                    "--target %s: the run has no such target; its first is '%s'",
                    c->target, s->targets[0].name);
    p.target = &s->targets[i];
    const target meant = session_meant(s, i);
    int rc = estimator_open(r, i, &e);
    p.estimator = e;
    if (!rc)
        e->posterior.target = &meant;
    if (!rc)
        rc = read_theta(c->theta, &p);
    if (!rc)
        rc = read_x(c->x, &p);
    if (!rc)
        rc = evaluate_pairs(&p);
    uint64_t dim[2] = {p.n, 2 + (uint64_t)p.target->n};
    if (!rc)
        rc = npy_write(c->out, 'f', 8, 2, dim, p.out);
    if (!rc)
        log_say(NRE_INFO,
                "%zu pairs of target %s: log ratio%s%s%s, log posterior, gradient in %s",
                p.n, p.target->name,
                ratio_is_normalised(e->ratio) ? "" : " (up to a function of x)",
                e->calibration ? ", calibrated: " : "",
                e->calibration ? calibration_words(s->experiment) : "", c->out);
    free(p.theta);
    free(p.x);
    free(p.out);
    estimator_close(e);
    return rc;
}

int verb_evaluate(const command *c)
{
    session *s = NULL;
    folder *source = NULL;
    if (c->n_arguments != 1 || !c->theta || !c->x || !c->out)
        return fail(NRE_EUSAGE,
                    "nereid evaluate takes a run directory and three files: "
                    "nereid evaluate RUNDIR --theta T.npy --x X.npy -o OUT.npy");
    int rc = run_open(c->arguments[0], c, NULL, &s, &source);
    if (!rc) {
        run r = {.session = s, .source = source, .folder = source};
        rc = evaluate_run(&r, c);
    }
    session_close(s);
    folder_close(source);
    return rc;
}
