/* What a simulator owes, tested. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 24, MOST_ROWS = 2000, GUARD_FLOATS = 64, PIECE = 7 };
static const double SECONDS_OF_ROWS = 3;

/* rows at hand */

/* An instance with N rows from its prior, theta fixed by their index. */
typedef struct prepared {
    instance *instance;
    simulator *simulator;
    const nre_simulator_ops *ops;
    size_t n, d, n_x;
    double *theta;
    float *x;
    uint8_t *status;
} prepared;

static int prepare_rows(const checked *c, size_t n, prepared *s)
{
    *s = (prepared){.n = n};
    int status = instance_new(c->plugin, c->values, c->services, &s->instance);
    if (status == NRE_OK)
        status = simulator_open(s->instance, 0, NULL, &s->simulator);
    if (status == NRE_OK)
        status = simulator_prepare(s->simulator);
    if (status != NRE_OK)
        return status;
    s->ops = simulator_ops(s->simulator);
    s->d = simulator_n_theta(s->simulator);
    s->n_x = simulator_n_x(s->simulator);
    s->theta = memory_new(n, s->d * sizeof *s->theta);
    s->x = memory_new(n, s->n_x * sizeof *s->x);
    s->status = memory_new(n, 1);
    if (!s->theta || !s->x || !s->status)
        return fail(NRE_ENOMEM, "no memory for %zu rows", n);
    return prior_sample(simulator_prior(s->simulator), rng_purpose(1, "theta/check"), 0,
                        0, n, s->theta);
}

static rng_key x_key(void)
{
    return rng_purpose(1, "x/check");
}

static int fill_rows(prepared *s)
{
    return simulator_run_rows(s->simulator, s->n, s->theta, x_key(), 0, s->x, s->status);
}

/* Rows with their x, and how to leave: the child ends, so that nothing is freed. */
static int open_rows(const checked *c, size_t n, prepared *s)
{
    int status = prepare_rows(c, n, s);
    return status ? status : fill_rows(s);
}

static bool row_is_valid(const prepared *s, size_t i)
{
    return s->status[i] != NRE_ROW_INVALID;
}

/* Rows FIRST .. FIRST + N - 1 as they should be, against X and STATUS [n]. */
static int compare(const prepared *s, size_t first, size_t n, const float *x,
                   const uint8_t *status, const char *how)
{
    char name[96];
    for (size_t i = 0; i < n; i++) {
        const float *here = x + i * s->n_x, *before = s->x + (first + i) * s->n_x;
        if (status[i] != s->status[first + i])
            return fail(NRE_EPLUGIN, "row %zu has status %u, %s %u", first + i,
                        s->status[first + i], how, status[i]);
        for (size_t k = 0; row_is_valid(s, first + i) && k < s->n_x; k++)
            if (memcmp(&here[k], &before[k], sizeof *here) != 0) {
                x_name(s->simulator, k, sizeof name, name);
                return fail(NRE_EPLUGIN, "row %zu: %s is %.9g, %s %.9g", first + i, name,
                            (double)before[k], how, (double)here[k]);
            }
    }
    return NRE_OK;
}

/* the tests */

static int info_is_sane(const checked *c)
{
    prepared s;
    int status = prepare_rows(c, 1, &s);
    if (status != NRE_OK)
        return status;
    double *nominal = s.theta, lo, hi;
    simulator_nominal(s.simulator, nominal);
    for (size_t k = 0; k < s.d; k++) {
        marginal_support(&simulator_prior(s.simulator)->of[k], &lo, &hi);
        if (!(nominal[k] >= lo && nominal[k] <= hi))
            return fail(NRE_EPLUGIN,
                        "the nominal value of '%s', %g, lies outside of its prior",
                        simulator_names(s.simulator)[k], nominal[k]);
    }
    size_t n = simulator_info(s.simulator)->n_derived;
    double *derived = memory_new(n + 1, sizeof *derived);
    if (!derived || n == 0)
        return derived ? NRE_OK : fail(NRE_ENOMEM, "no memory");
    crash_enter(c->plugin->table, "derived", 1, 0);
    status = s.ops->derived(s.instance->self, 1, nominal, derived);
    crash_leave();
    for (size_t k = 0; k < n && status == NRE_OK; k++)
        if (!isfinite(derived[k]))
            return fail(NRE_EPLUGIN, "'%s' is not finite at the nominal values",
                        simulator_derived(s.simulator, k)->name);
    return status ? plugin_failed(c->plugin->table, "derived", status) : NRE_OK;
}

static int prior_is_sound(const checked *c)
{
    enum { N = 500 };
    prepared s;
    double logp[N], lo, hi;
    int status = prepare_rows(c, N, &s);
    const prior *p = status ? NULL : simulator_prior(s.simulator);
    if (status == NRE_OK)
        status = prior_log_density(p, s.d, NULL, N, s.theta, logp, NULL);
    for (size_t i = 0; status == NRE_OK && i < N * s.d; i++) {
        marginal_support(&p->of[i % s.d], &lo, &hi);
        if (!(s.theta[i] >= lo && s.theta[i] <= hi))
            return fail(NRE_EPLUGIN, "draw %zu: %s = %g lies outside of its support",
                        i / s.d, p->of[i % s.d].name, s.theta[i]);
        if (!isfinite(logp[i / s.d]))
            return fail(NRE_EPLUGIN, "draw %zu: the log density is %g", i / s.d,
                        logp[i / s.d]);
    }
    return status;
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Rows that take a few seconds, at most MOST. */
static int affordable_rows(const checked *c, size_t most, size_t *n)
{
    prepared s;
    double start = now();
    int status = open_rows(c, ROWS, &s);
    double rows = SECONDS_OF_ROWS * ROWS / (now() - start + 1e-9);
    *n = rows < ROWS ? ROWS : rows < (double)most ? (size_t)rows : most;
    return status;
}

/* The core checks each call: statuses that exist, finite values, what lies behind the
 * batch. */
static int rows_are_finite(const checked *c)
{
    prepared s;
    size_t invalid = 0, n;
    int status = affordable_rows(c, MOST_ROWS, &n);
    if (status == NRE_OK)
        status = open_rows(c, n, &s);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < n; i++)
        invalid += !row_is_valid(&s, i);
    if (invalid == n)
        return fail(NRE_EPLUGIN, "all %zu rows are invalid", n);
    check_note(c, invalid ? "%zu rows, %zu invalid" : "%zu rows", n, invalid);
    return NRE_OK;
}

static int rows_stay_inside(const checked *c)
{
    prepared s;
    int status = prepare_rows(c, ROWS, &s);
    for (size_t i = 0; status == NRE_OK && i < ROWS; i++)
        status = simulator_run_rows(s.simulator, 1, s.theta + i * s.d, x_key(), i,
                                    s.x + i * s.n_x, s.status + i);
    return status;
}

/* One call of simulate() for rows ITEM [n] in that order, with streams of their own
 * index. */
static int simulate_items(const checked *c, const prepared *s, void *work, size_t n,
                          const size_t *item, float *x, uint8_t *status)
{
    rng stream[ROWS];
    nre_rng *each[ROWS];
    double *theta = memory_new(n, s->d * sizeof *theta);
    if (!theta)
        return fail(NRE_ENOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; i < n; i++) {
        rng_start(&stream[i], x_key(), item[i], 0);
        each[i] = &stream[i].api;
        status[i] = NRE_ROW_OK;
        memcpy(theta + i * s->d, s->theta + item[i] * s->d, s->d * sizeof *theta);
    }
    nre_batch batch = {.struct_size = sizeof batch,
                       .n = n,
                       .theta = theta,
                       .rng = each,
                       .x = x,
                       .status = status};
    crash_enter(c->plugin->table, "simulate", 0, n - 1);
    int rc = s->ops->simulate(s->instance->self, work, &batch);
    crash_leave();
    free(theta);
    return rc ? plugin_failed(c->plugin->table, "simulate", rc) : NRE_OK;
}

static int compare_items(const prepared *s, size_t n, const size_t *item, const float *x,
                         const uint8_t *status, const char *how)
{
    int rc = NRE_OK;
    for (size_t i = 0; i < n && rc == NRE_OK; i++)
        rc = compare(s, item[i], 1, x + i * s->n_x, status + i, how);
    return rc;
}

/* All rows at once against pieces and against another order. */
static int rows_do_not_depend_on_the_batch(const checked *c)
{
    prepared s;
    size_t item[ROWS];
    uint64_t order[ROWS];
    uint8_t status[ROWS];
    rng shuffle;
    void *work = NULL;
    int rc = open_rows(c, ROWS, &s);
    if (rc == NRE_OK && NRE_HAS(s.ops, worker))
        rc = s.ops->worker(s.instance->self, s.instance->host, &work);
    float *x = rc ? NULL : memory_new(ROWS, s.n_x * sizeof *x);
    if (rc != NRE_OK || !x)
        return rc ? rc : fail(NRE_ENOMEM, "no memory for %d rows", ROWS);
    for (size_t piece = 1; piece <= PIECE; piece += PIECE - 1)
        for (size_t first = 0; rc == NRE_OK && first < ROWS; first += piece) {
            size_t n = ROWS - first < piece ? ROWS - first : piece;
            for (size_t i = 0; i < n; i++)
                item[i] = first + i;
            rc = simulate_items(c, &s, work, n, item, x, status);
            if (rc == NRE_OK)
                rc = compare_items(&s, n, item, x, status,
                                   piece == 1 ? "alone" : "in a smaller batch");
        }
    rng_start(&shuffle, rng_purpose(1, "order/check"), 0, 0);
    rng_permutation(&shuffle, ROWS, order);
    for (size_t i = 0; i < ROWS; i++)
        item[i] = (size_t)order[i];
    if (rc == NRE_OK)
        rc = simulate_items(c, &s, work, ROWS, item, x, status);
    return rc ? rc : compare_items(&s, ROWS, item, x, status, "in another order");
}

/* More rows than two calls of simulate() hold, where they do not take too long. */
static int rows_do_not_depend_on_threads(const checked *c)
{
    enum { THREADS = 3 };
    float *first = NULL;
    size_t n;
    int rc = affordable_rows(c, MOST_ROWS, &n);
    for (unsigned threads = 1; rc == NRE_OK && threads <= THREADS; threads++) {
        prepared s;
        pool *workers = NULL;
        tally count = {0};
        draw d = {.seed = 1, .purpose = "check", .n = n, .on_invalid = 2};
        rc = prepare_rows(c, n, &s);
        if (rc == NRE_OK)
            rc = pool_new(threads, &workers);
        if (rc == NRE_OK)
            rc = simulator_draw(s.simulator, workers, NULL, &d, s.theta, s.x, s.status,
                                &count, NULL);
        if (rc == NRE_OK && first && memcmp(first, s.x, n * s.n_x * sizeof *first) != 0)
            return fail(NRE_EPLUGIN, "%u threads give other rows than one", threads);
        first = first ? first : s.x;
    }
    return rc;
}

static int rows_come_again(const checked *c)
{
    prepared s, again;
    int rc = open_rows(c, ROWS, &s);
    if (rc == NRE_OK)
        rc = open_rows(c, ROWS, &again);
    return rc ? rc
              : compare(&s, 0, ROWS, again.x, again.status, "from a second instance");
}

/* likelihood */

static int likelihood_at(const checked *c, const prepared *s, const double *theta,
                         const float *x, double *logl, double *grad)
{
    crash_enter(c->plugin->table, "log_likelihood", 1, 0);
    int rc = s->ops->log_likelihood(s->instance->self, 1, theta, x, logl, grad);
    crash_leave();
    return rc == NRE_OK || rc == NRE_ENOTSUP
               ? rc
               : plugin_failed(c->plugin->table, "log_likelihood", rc);
}

static int open_likelihood(const checked *c, size_t n, prepared *s)
{
    int rc = open_rows(c, n, s);
    return rc                                ? rc
           : NRE_HAS(s->ops, log_likelihood) ? NRE_OK
                                             : check_skipped("it has no likelihood");
}

static int likelihood_is_finite(const checked *c)
{
    enum { N = 200 };
    prepared s;
    int rc = open_likelihood(c, N, &s);
    for (size_t i = 0; rc == NRE_OK && i < N; i++) {
        double logl = NAN;
        rc = row_is_valid(&s, i)
                 ? likelihood_at(c, &s, s.theta + i * s.d, s.x + i * s.n_x, &logl, NULL)
                 : NRE_OK;
        if (rc == NRE_OK && row_is_valid(&s, i) && !isfinite(logl))
            return fail(NRE_EPLUGIN, "log p(x | theta) is %g at row %zu, drawn from it",
                        logl, i);
    }
    return rc;
}

/* Central difference by parameter K over a width of STEP prior deviations. */
static int difference(const checked *c, const prepared *s, double *theta, const float *x,
                      size_t k, double step, double *out)
{
    double here = theta[k], up = NAN, down = NAN;
    theta[k] = here + step;
    int rc = likelihood_at(c, s, theta, x, &up, NULL);
    theta[k] = here - step;
    if (rc == NRE_OK)
        rc = likelihood_at(c, s, theta, x, &down, NULL);
    theta[k] = here;
    *out = 0.5 * (up - down) / step;
    return rc;
}

typedef struct agreement {
    size_t judged, asked;
} agreement;

/* Two widths must agree before they may judge: at an edge of the density, and where x
 * leaves too few digits, they do not. */
static int check_slope(const checked *c, const prepared *s, size_t i, size_t k,
                       double slope, agreement *a)
{
    enum { NARROW = 10000, WIDE = 3000 };
    double lo, hi, wide = NAN, narrow = NAN, *theta = s->theta + i * s->d;
    const marginal *m = &simulator_prior(s->simulator)->of[k];
    const float *x = s->x + i * s->n_x;
    marginal_support(m, &lo, &hi);
    double size = isfinite(m->facts.deviation) && m->facts.deviation > 0 &&
                          m->family != NRE_LOG_UNIFORM && m->family != NRE_LOG_NORMAL &&
                          m->family != NRE_HALF_CAUCHY
                      ? m->facts.deviation
                      : fabs(theta[k]);
    a->asked++;
    if (theta[k] - size / WIDE < lo || theta[k] + size / WIDE > hi)
        return NRE_OK;
    int rc = difference(c, s, theta, x, k, size / WIDE, &wide);
    if (rc == NRE_OK)
        rc = difference(c, s, theta, x, k, size / NARROW, &narrow);
    double scale = 1 / size + fabs(narrow);
    if (rc != NRE_OK || !isfinite(wide) || !(fabs(wide - narrow) < 1e-4 * scale))
        return rc;
    a->judged++;
    if (fabs(narrow - slope) < 1e-2 * scale)
        return NRE_OK;
    return fail(
        NRE_EPLUGIN,
        "row %zu: the gradient by '%s' is %g, a difference of log likelihoods says %g", i,
        m->name, slope, narrow);
}

static int gradient_is_right(const checked *c)
{
    enum { N = 50 };
    prepared s;
    agreement a = {0, 0};
    int rc = open_likelihood(c, N, &s);
    double *grad = rc ? NULL : memory_new(s.d, sizeof *grad), logl;
    for (size_t i = 0; grad && rc == NRE_OK && i < N; i++) {
        if (!row_is_valid(&s, i))
            continue;
        rc = likelihood_at(c, &s, s.theta + i * s.d, s.x + i * s.n_x, &logl, grad);
        if (rc == NRE_ENOTSUP)
            return check_skipped("it has no gradient");
        for (size_t k = 0; rc == NRE_OK && k < s.d; k++)
            rc = check_slope(c, &s, i, k, grad[k], &a);
    }
    if (rc == NRE_OK && 10 * a.judged < a.asked)
        return fail(NRE_EPLUGIN,
                    "only %zu of %zu derivatives could be judged: the log "
                    "likelihood is not smooth",
                    a.judged, a.asked);
    return rc;
}

static int evidence_is_finite(const checked *c)
{
    prepared s;
    int rc = open_rows(c, ROWS, &s);
    if (rc != NRE_OK)
        return rc;
    if (!NRE_HAS(s.ops, log_evidence))
        return check_skipped("it has no evidence");
    for (size_t i = 0; rc == NRE_OK && i < ROWS; i++) {
        double logp = NAN;
        crash_enter(c->plugin->table, "log_evidence", i, i);
        rc = row_is_valid(&s, i)
                 ? s.ops->log_evidence(s.instance->self, 1, s.x + i * s.n_x, &logp)
                 : NRE_OK;
        crash_leave();
        if (rc == NRE_OK && row_is_valid(&s, i) && !isfinite(logp))
            return fail(NRE_EPLUGIN, "log p(x) is %g at row %zu, drawn from it", logp, i);
    }
    return rc ? plugin_failed(c->plugin->table, "log_evidence", rc) : NRE_OK;
}

static int posterior_lies_in_the_prior(const checked *c)
{
    prepared s;
    rng stream;
    nre_rng *each = &stream.api;
    double logp;
    int rc = open_rows(c, ROWS, &s);
    if (rc != NRE_OK)
        return rc;
    if (!NRE_HAS(s.ops, posterior_sample))
        return check_skipped("it has no posterior draws");
    for (size_t i = 0; rc == NRE_OK && i < ROWS; i++) {
        if (!row_is_valid(&s, i))
            continue;
        rng_start(&stream, rng_purpose(1, "posterior/check"), i, 0);
        crash_enter(c->plugin->table, "posterior_sample", i, i);
        rc =
            s.ops->posterior_sample(s.instance->self, s.x + i * s.n_x, 1, &each, s.theta);
        crash_leave();
        if (rc != NRE_OK)
            return plugin_failed(c->plugin->table, "posterior_sample", rc);
        rc = prior_log_density(simulator_prior(s.simulator), s.d, NULL, 1, s.theta, &logp,
                               NULL);
        if (rc == NRE_OK && !isfinite(logp))
            return fail(NRE_EPLUGIN, "a draw given row %zu lies outside of the prior", i);
    }
    return rc;
}

/* noise */

static int noise_is_reproducible(const checked *c)
{
    prepared s;
    uint64_t item[ROWS];
    int rc = open_rows(c, ROWS, &s);
    if (rc != NRE_OK)
        return rc;
    if (!simulator_has_noise(s.simulator))
        return check_skipped("it has no noise of its own");
    float *x = memory_new(ROWS, s.n_x * sizeof *x);
    if (!x)
        return fail(NRE_ENOMEM, "no memory for %d rows", ROWS);
    memcpy(x, s.x, ROWS * s.n_x * sizeof *x);
    for (size_t i = 0; i < ROWS; i++)
        item[i] = i;
    rc = simulator_perturb(s.simulator, x_key(), ROWS, item, 0, s.theta, s.x, 0);
    for (size_t i = 0; rc == NRE_OK && i < ROWS; i++)
        rc = simulator_perturb(s.simulator, x_key(), 1, item + i, 0, s.theta + i * s.d,
                               x + i * s.n_x, 0);
    return rc ? rc : compare(&s, 0, ROWS, x, s.status, "with noise added alone");
}

const contract SIMULATOR_CONTRACT[] = {
    {"parameters, fields and nominal values make sense", info_is_sane, true},
    {"prior draws lie in the support, with a finite density", prior_is_sound, false},
    {"rows are finite and stay within their batch", rows_are_finite, true},
    {"so does a batch of one", rows_stay_inside, false},
    {"rows do not depend on the batch or its order", rows_do_not_depend_on_the_batch,
     false},
    {"rows do not depend on threads", rows_do_not_depend_on_threads, false},
    {"the same streams give the same rows", rows_come_again, false},
    {"the noise does not depend on the batch", noise_is_reproducible, false},
    {"the log likelihood is finite where x was drawn", likelihood_is_finite, false},
    {"its gradient agrees with differences", gradient_is_right, false},
    {"the evidence is finite where x was drawn", evidence_is_finite, false},
    {"exact posterior draws lie in the prior", posterior_lies_in_the_prior, false},
    {.says = NULL},
};
