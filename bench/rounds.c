/* rounds.c - what truncation is worth: C2ST of posteriors against exact draws, in pairs of runs.
 *
 *   rounds [--n 4000] [--seed 1] [--threads 2] [--json] WITH WITHOUT [WITH WITHOUT ...]
 *
 *   rounds --lost 1000 RUN ...
 *
 * How many of 1,000 mocks from the prior lose their truth to the region of a first round, by the networks (or
 * the exact ratio) of a run without rounds that is about all parameters, at epsilon 1e-4.
 *
 * WITH and WITHOUT are finished runs of one observation and one training seed, with and without rounds, whose
 * simulator has exact posterior draws; posterior/all is compared.  docs/rounds.md has the experiment. */
#include "run/run.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    size_t n, lost;
    uint64_t seed;
    unsigned threads;
    int json;
} settings;

/* Draws of the run, as far apart in each chain as N of them can be. */
static int take_draws(const session *s, const folder *f, size_t n, double *out, float **x)
{
    chains c = {0};
    size_t n_rows = 0;
    int rc = chains_load(folder_path(f, "posterior/all/samples.nc"), s->simulator,
                         &s->targets[0], &c, &n_rows, x);
    if (rc)
        return rc;
    size_t total = c.n_chains * c.n_draws;
    if (total < n || n_rows != 1 || c.weight)
        rc = fail(NRE_EDATA,
                  "'%s': %zu equally weighted draws of one row are needed, found "
                  "%zu%s of %zu",
                  f->path, n, total, c.weight ? " weighted ones" : "", n_rows);
    for (size_t i = 0; i < n && !rc; i++)
        memcpy(out + i * c.dim, c.theta + (i * total / n) * c.dim, c.dim * sizeof *out);
    chains_release(&c);
    return rc;
}

static int exact_draws(const session *s, const float *x, size_t n, uint64_t seed,
                       double *out)
{
    const nre_simulator_ops *ops = simulator_ops(s->simulator);
    if (!NRE_HAS(ops, posterior_sample))
        return fail(NRE_ENOTSUP, "the simulator has no exact posterior draws");
    rng *stream = memory_new(n, sizeof *stream);
    nre_rng **pointer = memory_new(n, sizeof(nre_rng *));
    int rc = stream && pointer ? NRE_OK : fail(NRE_ENOMEM, "no memory for draws");
    for (size_t i = 0; i < n && !rc; i++) {
        rng_start(&stream[i], rng_purpose(seed, "exact"), i, 0);
        pointer[i] = &stream[i].api;
    }
    if (!rc)
        rc = ops->posterior_sample(simulator_instance(s->simulator)->self, x, n, pointer,
                                   out);
    free(stream);
    free(pointer);
    return rc;
}

static int accuracy_of(const char *path, const settings *o, double *out)
{
    command c = {.threads = o->threads};
    session *s = NULL;
    folder *f = NULL;
    float *x = NULL;
    c2st_result result = {0};
    int rc = run_open(path, &c, NULL, &s, &f);
    size_t d = rc ? 1 : s->targets[0].n;
    double *draws = memory_new(2 * o->n, d * sizeof *draws);
    if (!rc && !draws)
        rc = fail(NRE_ENOMEM, "no memory for draws");
    if (!rc)
        rc = simulator_prepare(s->simulator);
    if (!rc)
        rc = take_draws(s, f, o->n, draws, &x);
    if (!rc)
        rc = exact_draws(s, x, o->n, o->seed, draws + o->n * d);
    if (!rc)
        rc = c2st_of(o->n, (uint32_t)d, draws + o->n * d, draws, o->seed, s->workers,
                     &result);
    *out = result.accuracy;
    free(draws);
    free(x);
    session_close(s);
    folder_close(f);
    return rc;
}

/* Mean difference of the pairs, its standard error, and how many of them are below 0. */
static void conclude(size_t n, const double *with, const double *without, int json)
{
    double mean = 0, square = 0, a = 0, b = 0;
    size_t better = 0;
    for (size_t i = 0; i < n; i++) {
        double gap = with[i] - without[i];
        mean += gap / (double)n;
        a += with[i] / (double)n, b += without[i] / (double)n;
        better += gap < 0;
    }
    for (size_t i = 0; i < n; i++)
        square += pow(with[i] - without[i] - mean, 2);
    double error = n > 1 ? sqrt(square / (double)(n - 1) / (double)n) : NAN;
    printf(json
               ? "{\"bench\": \"rounds\", \"case\": \"all\", \"pairs\": %zu, \"with\": "
                 "%.4f, "
                 "\"without\": %.4f, \"difference\": %.4f, \"error\": %.4f, \"t\": %.2f, "
                 "\"better\": %zu}\n"
               : "%zu pairs: %.4f with rounds, %.4f without; difference %.4f ± %.4f (t = "
                 "%.2f), "
                 "lower in %zu\n",
           n, a, b, mean, error, mean / error, better);
}

static int run_pairs(size_t n, char **path, const settings *o)
{
    double *value = memory_new(2 * n, sizeof *value);
    int rc = value ? blas_start() : fail(NRE_ENOMEM, "no memory for the pairs");
    for (size_t i = 0; i < n && !rc; i++) {
        rc = accuracy_of(path[2 * i], o, &value[i]);
        if (!rc)
            rc = accuracy_of(path[2 * i + 1], o, &value[n + i]);
        if (!rc)
            printf(o->json ? "{\"bench\": \"rounds\", \"case\": \"%s\", \"with\": %.4f, "
                             "\"without\": %.4f}\n"
                           : "%-28s %.4f with, %.4f without\n",
                   path[2 * i], value[i], value[n + i]);
        fflush(stdout);
    }
    if (!rc)
        conclude(n, value, value + n, o->json);
    free(value);
    return rc;
}

/* mocks */

static int members_of(const session *s, const estimator *e, ratio **member, size_t *n)
{
    int rc = NRE_OK;
    *n = e->n_members ? e->n_members : 1;
    if (!e->n_members)
        return ratio_exact(s->simulator, &s->targets[0], &member[0]);
    for (size_t i = 0; i < *n && !rc; i++)
        rc = ratio_of_networks(&s->targets[0], 1, &e->models[i], &e->scalings[i],
                               &member[i]);
    return rc;
}

/* The best START of the N thetas by VALUE, into OUT [START][d]. */
static void pick_best(size_t n, size_t d, const double *theta, double *value,
                      size_t start, double *out)
{
    for (size_t k = 0; k < start; k++) {
        size_t best = 0;
        for (size_t i = 1; i < n; i++)
            best = value[i] > value[best] ? i : best;
        memcpy(out + k * d, theta + best * d, d * sizeof *out);
        value[best] = -INFINITY;
    }
}

/* Adds 1 to KEPT [n] where the ratio of the truth exceeds epsilon times its maximum, which is
 * climbed to from the best of 2,048 draws of the prior and the truth. */
static int judge_member(const session *s, const ratio *r, size_t n, const float *x,
                        const double *theta, const double *draws, uint8_t *kept)
{
    enum { DRAWS = 2048, STARTS = 8 };
    size_t d = s->targets[0].n;
    ratio_worker *w = NULL;
    observed *o = NULL;
    const posterior p = {.ratio = r};
    double *at = memory_new(DRAWS + 1, (d + 1) * sizeof *at),
           *value = at + (DRAWS + 1) * d;
    double start[STARTS * 16], best[16], most;
    int rc = at && d <= 16 ? ratio_worker_new(r, &w) : fail(NRE_ENOMEM, "no memory");
    if (!rc)
        rc = observed_new(r, &o);
    if (!rc)
        rc = ratio_observe(r, w, n, x, o);
    for (size_t i = 0; i < n && !rc; i++) {
        memcpy(at, draws, DRAWS * d * sizeof *at);
        memcpy(at + DRAWS * d, theta + i * d, d * sizeof *at);
        rc = ratio_evaluate(r, w, o, i, 1, DRAWS + 1, at, value, NULL);
        double truth = value[DRAWS];
        pick_best(DRAWS + 1, d, at, value, STARTS, start);
        if (!rc)
            rc = maximum_of(&p, w, o, i, 1, MAXIMUM_RATIO, STARTS, start, best, &most);
        kept[i] = kept[i] || truth > most + log(1e-4);
    }
    observed_free(o);
    ratio_worker_free(w);
    free(at);
    return rc;
}

static int judge_mocks(const session *s, const estimator *e, size_t n, const float *x,
                       const double *theta, uint8_t *kept)
{
    ratio *member[64] = {NULL};
    size_t members = 0;
    const prior *all = simulator_prior(s->simulator);
    double *draws = memory_new(2048, all->n * sizeof *draws);
    int rc = draws ? members_of(s, e, member, &members) : fail(NRE_ENOMEM, "no memory");
    if (!rc)
        rc = prior_sample(all, rng_purpose(1, "lost/draws"), 0, 0, 2048, draws);
    for (size_t m = 0; m < members; m++) {
        if (!rc)
            rc = judge_member(s, member[m], n, x, theta, draws, kept);
        ratio_free(member[m]);
    }
    free(draws);
    return rc;
}

static int draw_mocks(const session *s, size_t n, uint64_t seed, double **theta,
                      float **x)
{
    draw d = {
        .seed = seed, .purpose = "lost", .n = n, .on_invalid = INVALID_REDRAW_THETA};
    *theta = memory_new(n, simulator_n_theta(s->simulator) * sizeof **theta);
    *x = memory_new(n, simulator_n_x(s->simulator) * sizeof **x);
    if (!*theta || !*x)
        return fail(NRE_ENOMEM, "no memory for mocks");
    int rc = simulator_prepare(s->simulator);
    return rc ? rc
              : simulator_draw(s->simulator, s->workers, NULL, &d, *theta, *x, NULL, NULL,
                               NULL);
}

static int count_lost(const char *path, const settings *o)
{
    command c = {.threads = o->threads};
    session *s = NULL;
    folder *f = NULL;
    estimator *e = NULL;
    double *theta = NULL;
    float *x = NULL;
    size_t lost = 0;
    int rc = run_open(path, &c, NULL, &s, &f);
    run r = {.session = s, .folder = f, .source = f};
    if (!rc)
        rc = estimator_open(&r, 0, &e);
    if (!rc)
        rc = draw_mocks(s, o->lost, o->seed, &theta, &x);
    uint8_t *kept = memory_new(o->lost, 1);
    if (!rc)
        rc = kept ? judge_mocks(s, e, o->lost, x, theta, kept)
                  : fail(NRE_ENOMEM, "no memory for mocks");
    for (size_t i = 0; i < o->lost && !rc; i++)
        lost += !kept[i];
    if (!rc)
        printf(o->json ? "{\"bench\": \"rounds\", \"case\": \"%s\", \"mocks\": %zu, "
                         "\"lost\": %zu}\n"
                       : "%-28s %zu mocks, %zu lost\n",
               path, o->lost, lost);
    estimator_close(e);
    free(kept);
    free(theta);
    free(x);
    session_close(s);
    folder_close(f);
    return rc;
}

static int run_lost(size_t n, char **path, const settings *o)
{
    int rc = blas_start();
    for (size_t i = 0; i < n && !rc; i++)
        rc = count_lost(path[i], o);
    return rc;
}

int main(int argc, char **argv)
{
    settings o = {.n = 4000, .seed = 1, .threads = 2};
    static int json;
    static const struct option LONG[] = {
        {"n", required_argument, NULL, 'n'},    {"seed", required_argument, NULL, 's'},
        {"lost", required_argument, NULL, 'l'}, {"threads", required_argument, NULL, 't'},
        {"json", no_argument, &json, 1},        {NULL, 0, NULL, 0}};
    int64_t value = 0;
    for (int c; (c = getopt_long(argc, argv, "", LONG, NULL)) != -1;) {
        if (c && (c == '?' || !text_to_int(optarg, &value) || value < 1))
            return fprintf(stderr,
                           "usage: rounds [--n N] [--seed S] [--threads T] [--json] "
                           "WITH WITHOUT ...\n"),
                   2;
        if (c == 'n')
            o.n = (size_t)value;
        if (c == 'l')
            o.lost = (size_t)value;
        if (c == 's')
            o.seed = (uint64_t)value;
        if (c == 't')
            o.threads = (unsigned)value;
    }
    o.json = json;
    int left = argc - optind;
    if (left < 1 || (left % 2 && !o.lost))
        return fprintf(stderr, "rounds: give pairs of run directories\n"), 2;
    int rc = o.lost ? run_lost((size_t)left, argv + optind, &o)
                    : run_pairs((size_t)left / 2, argv + optind, &o);
    if (rc)
        fprintf(stderr, "rounds: %s\n", error_message());
    return rc ? 1 : 0;
}
