/* diagnose/local_coverage.c - coverage where it matters: for truths that the
 * observation allows.
 *
 * Truths come from the prior restricted to a region R of theta, and posteriors are
 * restricted to R, too: p(theta | x) inside R up to its mass there.  Both are those
 * of one problem with another prior, so that ranks of a right ratio are uniform,
 * whatever R is; R is the 99.9% credible region of the observation. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    PAIRS = 2000,
    PROPOSALS = 4096,  /* of one call, at most */
    LEAST_WITHIN = 10, /* effective draws inside: fewer are right as well, but blunt */
    LEAST_KNOWN = 50   /* pairs: among fewer no fault would show */
};
/* Of the pairs may be missing: they may be the wrong ones. */
static const double MOST_MISSING = 0.2;
static const double MASS = 0.999; /* of the region */
static const double MARGIN = 0.1; /* that its box is wider on each side, of its width */
static const double LEAST_PRIOR = 1e-6;       /* that rejection finds */
static const double INTERVAL = 0.99;          /* of cells */
static const size_t MEMORY = (size_t)1 << 27; /* bytes of x at once */
static const double LEVELS[] = {0.68, 0.95, 0.997};
static const cloud_plan OBSERVATION = {
    .n_prior = 2000, .n_round = 1000, .max_rounds = 100, .enough = 3000};
/* Half of a pair's draws may lie outside the region. */
static const cloud_plan PAIR = {
    .n_prior = 400, .n_round = 200, .max_rounds = 500, .enough = 150};

/* A worker of the ratio that waits for the next who asks. */
typedef struct seat {
    ratio_worker *worker;
    double *theta, *density; /* [PROPOSALS][dim], [2 PROPOSALS] */
    struct seat *next;
} seat;

typedef struct local_job {
    const subject *subject;
    const target *target;
    uint32_t dim;
    observed *observed;   /* the observation */
    double border;        /* of log prior + log r: above it is inside */
    double *box;          /* [dim][2] around it; R is what is inside of both */
    double of_prior;      /* its mass under the prior */
    pthread_mutex_t lock; /* of the list */
    seat *seats;
    rng_key key;
    uint64_t first, n; /* pairs */
    double *theta;     /* [some][n_theta] */
    float *x;          /* [some][n_x] */
    loader *loader;    /* of them */
    station *stations;
    double *rank;  /* [n] NAN where too few draws were inside */
    double *place; /* [dim][n] */
    atomic_ullong done;
} local_job;

/* the region */

static bool in_box(const local_job *j, const double *theta)
{
    for (uint32_t k = 0; k < j->dim; k++)
        if (!(theta[k] >= j->box[2 * k] && theta[k] <= j->box[2 * k + 1]))
            return false;
    return true;
}

static int seat_take(local_job *j, seat **out)
{
    pthread_mutex_lock(&j->lock);
    seat *s = *out = j->seats;
    if (s)
        j->seats = s->next;
    pthread_mutex_unlock(&j->lock);
    if (s)
        return NRE_OK;
    s = *out = memory_new(1, sizeof *s);
    if (s)
        s->theta = memory_new(PROPOSALS, (j->dim + 2) * sizeof *s->theta);
    if (!s || !s->theta) {
        free(s);
        *out = NULL;
        return fail(NRE_ENOMEM, "out of memory for a region");
    }
    s->density = s->theta + (size_t)PROPOSALS * j->dim;
    return ratio_worker_new(j->subject->posterior->ratio, &s->worker);
}

static void seat_return(local_job *j, seat *s)
{
    pthread_mutex_lock(&j->lock);
    s->next = j->seats;
    j->seats = s;
    pthread_mutex_unlock(&j->lock);
}

static void seats_free(seat *s)
{
    for (seat *next; s; s = next) {
        next = s->next;
        ratio_worker_free(s->worker);
        free(s->theta);
        free(s);
    }
}

/* Density of N points at the observation: the prior's alone is given. */
static int densities(const local_job *j, ratio_worker *w, size_t n, const double *theta,
                     const double *log_prior, double *scratch, double *out)
{
    int status = ratio_evaluate(j->subject->posterior->ratio, w, j->observed, 0, 1, n,
                                theta, scratch, NULL);

    for (size_t i = 0; i < n && !status; i++)
        out[i] = log_prior[i] + scratch[i];
    return status;
}

/* Few proposals reach the box, and the ratio is asked for those alone. */
static int keep_some(local_job *j, seat *s, size_t n, const double *full, bool *kept)
{
    size_t wide = j->target->prior->n, inside = 0;
    size_t index[PROPOSALS];

    for (size_t i = 0; i < n; i++) {
        double *at = s->theta + inside * j->dim;
        target_columns(j->target, 1, full + i * wide, at);
        kept[i] = false;
        if (in_box(j, at))
            index[inside++] = i;
    }
    if (inside == 0)
        return NRE_OK;
    int status =
        posterior_log_prior(j->subject->posterior, inside, s->theta, s->density, NULL);
    if (!status)
        status = densities(j, s->worker, inside, s->theta, s->density,
                           s->density + PROPOSALS, s->density);
    for (size_t i = 0; i < inside && !status; i++)
        kept[index[i]] = s->density[i] >= j->border;
    return status;
}

static int keep(const void *context, size_t n, const double *theta, bool *kept)
{
    local_job *j = (local_job *)(uintptr_t)context;
    size_t wide = j->target->prior->n;
    seat *s = NULL;
    int status = seat_take(j, &s);

    for (size_t done = 0; done < n && !status; done += PROPOSALS) {
        size_t some = n - done < PROPOSALS ? n - done : PROPOSALS;
        status = keep_some(j, s, some, theta + done * wide, kept + done);
    }
    if (s)
        seat_return(j, s);
    return status;
}

typedef struct weighted {
    double density, weight;
} weighted;

static int denser_first(const void *a, const void *b)
{
    double x = ((const weighted *)a)->density, y = ((const weighted *)b)->density;
    return (x < y) - (x > y);
}

/* The density that draws of the mass MASS exceed. */
static int find_border(const cloud *c, double *border)
{
    weighted *w = memory_new(c->n, sizeof *w);
    double held = 0;

    if (!w)
        return fail(NRE_ENOMEM, "out of memory for a region");
    for (size_t i = 0; i < c->n; i++)
        w[i] = (weighted){c->log_density[i], c->weight[i]};
    qsort(w, c->n, sizeof *w, denser_first);
    *border = INFINITY;
    for (size_t i = 0; i < c->n && held < MASS && w[i].weight > 0; i++) {
        held += w[i].weight;
        *border = w[i].density;
    }
    free(w);
    return NRE_OK;
}

/* Around all draws inside.  The region's prior mass: a draw's weight is p r / (q n
 * area). */
static void find_box(local_job *j, const cloud *c)
{
    for (uint32_t k = 0; k < j->dim; k++)
        j->box[2 * k] = INFINITY, j->box[2 * k + 1] = -INFINITY;
    j->of_prior = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (!(c->log_density[i] >= j->border))
            continue;
        j->of_prior += c->weight[i] * exp(c->log_area - c->log_ratio[i]);
        for (uint32_t k = 0; k < j->dim; k++) {
            double value = c->theta[i * j->dim + k], *end = j->box + (size_t)2 * k;
            end[0] = fmin(end[0], value);
            end[1] = fmax(end[1], value);
        }
    }
    for (uint32_t k = 0; k < j->dim; k++) {
        double *end = j->box + (size_t)2 * k, more = MARGIN * (end[1] - end[0]), lo, hi;
        marginal_support(target_marginal(j->target, k), &lo, &hi);
        end[0] = fmax(end[0] - more, lo);
        end[1] = fmin(end[1] + more, hi);
    }
}

/* REASON: why there is none, of N characters; "" when there is. */
static int find_region(local_job *j, size_t n, char *reason)
{
    station *t = &j->stations[0];
    const posterior *p = j->subject->posterior;
    cloud c = {0};
    rng r;

    *reason = '\0';
    rng_start(&r,
              rng_purpose(j->subject->seed, "local_coverage/region/%s", j->target->name),
              0, 0);
    int status = ratio_observe(p->ratio, t->worker, 1, j->subject->observed, j->observed);
    if (!status)
        status = cloud_of(p, t->worker, j->observed, 0, 1, &OBSERVATION, &r, &c);
    if (!status && c.nowhere)
        snprintf(
            reason, n,
            "the posterior of the observation is zero at all %zu draws from the prior",
            c.evaluations);
    else if (!status && !(c.effective >= CLOUD_MIN_EFFECTIVE))
        snprintf(reason, n,
                 "the posterior of the observation stayed too coarse: %.0f effective "
                 "draws",
                 c.effective);
    else if (!status) {
        status = find_border(&c, &j->border);
        find_box(j, &c);
        if (!(j->of_prior >= LEAST_PRIOR))
            snprintf(reason, n,
                     "the 99.9%% region of the observation holds %.1g of the prior, too "
                     "little "
                     "to draw truths from it by rejection; rounds would narrow the prior",
                     j->of_prior);
    }
    cloud_release(&c);
    return status;
}

/* a pair */

typedef struct inside {
    double mass, squares, denser, equal; /* of draws in the region */
} inside;

/* Draws outside the region lose their weight.  DENSITY: of the truth. */
static int restrict_cloud(const local_job *j, station *t, double density, inside *out)
{
    cloud *c = &t->cloud;
    double *value = memory_new(c->n, (j->dim + 3) * sizeof *value);
    size_t *index = memory_new(c->n, sizeof *index), n = 0;
    int status = value && index ? NRE_OK : fail(NRE_ENOMEM, "out of memory for a region");
    double *log_prior = value + c->n, *scratch = log_prior + c->n,
           *theta = scratch + c->n;

    *out = (inside){0};
    for (size_t i = 0; i < c->n && !status; i++) {
        if (!(c->weight[i] > 0 && in_box(j, c->theta + i * j->dim))) {
            c->weight[i] = 0;
            continue;
        }
        memcpy(theta + n * j->dim, c->theta + i * j->dim, j->dim * sizeof *theta);
        log_prior[n] = c->log_density[i] - c->log_ratio[i];
        index[n++] = i;
    }
    if (!status && n > 0)
        status = densities(j, t->worker, n, theta, log_prior, scratch, value);
    for (size_t i = 0; i < n && !status; i++) {
        double *w = &c->weight[index[i]], at = c->log_density[index[i]];
        *w = value[i] >= j->border ? *w : 0;
        out->mass += *w;
        out->squares += *w * *w;
        out->denser += at > density ? *w : 0;
        out->equal += at == density ? *w : 0;
    }
    free(index);
    free(value);
    return status;
}

/* As cloud_rank: the truth is one of the draws, at a uniform place within its own
 * weight and that of its equals. */
static double rank_among(const cloud *c, double mass, double below, double equal)
{
    double own = c->weight_of_truth;

    return (below + c->v * (equal + own)) / (mass + own);
}

static double place_among(const cloud *c, double mass, uint32_t k, double truth)
{
    double below = 0, equal = 0;

    for (size_t i = 0; i < c->n; i++) {
        double value = c->theta[i * c->dim + k];
        below += value < truth ? c->weight[i] : 0;
        equal += value == truth ? c->weight[i] : 0;
    }
    return rank_among(c, mass, below, equal);
}

static int judge_pair(const local_job *j, station *t, size_t row, uint64_t item)
{
    const double *truth = t->theta + row * j->dim;
    cloud_plan how = PAIR;
    inside in = {0};
    rng r;

    rng_start(&r, j->key, item, 0);
    how.truth = truth;
    int status = cloud_of(j->subject->posterior, t->worker, t->observed, row, 1, &how, &r,
                          &t->cloud);
    if (!status && !t->cloud.nowhere)
        status = restrict_cloud(j, t, t->log_density[row], &in);
    if (status || !(in.mass * in.mass >= LEAST_WITHIN * in.squares && in.mass > 0))
        return status;
    j->rank[item] = rank_among(&t->cloud, in.mass, in.denser, in.equal);
    for (uint32_t k = 0; k < j->dim; k++)
        j->place[k * j->n + item] = place_among(&t->cloud, in.mass, k, truth[k]);
    return NRE_OK;
}

static int judge_block(void *context, size_t i, unsigned worker)
{
    local_job *j = context;
    subject s = *j->subject;
    station *t = &j->stations[worker];
    uint64_t first = (uint64_t)i * STATION_ROWS, left = j->loader->n - first;
    size_t n = left < STATION_ROWS ? (size_t)left : STATION_ROWS;

    s.test = j->loader;
    int status = station_load(&s, t, worker, first, n);
    for (size_t row = 0; row < n && !status; row++)
        status = judge_pair(j, t, row, j->first + first + row);
    if (status)
        return status;
    return progress_report(s.watch, "local coverage", atomic_fetch_add(&j->done, n) + n,
                           j->n, "pairs", NULL);
}

/* all pairs */

static int judge_some(local_job *j, const proposals *within, size_t n)
{
    const subject *s = j->subject;
    draw d = {.seed = s->seed,
              .purpose = "local_coverage",
              .first = j->first,
              .n = n,
              .on_invalid = s->on_invalid,
              .keep = within};
    int status = simulator_draw(s->simulator, s->pool, s->watch, &d, j->theta, j->x, NULL,
                                NULL, NULL);

    if (!status)
        status =
            loader_of_arrays(n, simulator_n_theta(s->simulator),
                             simulator_n_x(s->simulator), j->theta, j->x, &j->loader);
    if (!status)
        status = pool_run(s->pool, (n + STATION_ROWS - 1) / STATION_ROWS, judge_block, j);
    loader_free(j->loader);
    j->loader = NULL;
    return status;
}

static int judge_all(local_job *j)
{
    const simulator *s = j->subject->simulator;
    size_t bytes = simulator_n_x(s) * sizeof *j->x, some = MEMORY / bytes + 1;
    double each = ceil(1 / j->of_prior);
    proposals within = {
        .keep = keep, .context = j, .each = each < PROPOSALS ? (size_t)each : PROPOSALS};
    int status = NRE_OK;

    some = j->n < some ? (size_t)j->n : some;
    j->x = memory_new(some, bytes);
    j->theta = memory_new(some, simulator_n_theta(s) * sizeof *j->theta);
    j->rank = memory_new((size_t)j->n, (1 + j->dim) * sizeof *j->rank);
    if (!j->x || !j->theta || !j->rank)
        return fail(NRE_ENOMEM, "out of memory for %zu pairs", some);
    j->place = j->rank + j->n;
    for (size_t i = 0; i < j->n * (1 + j->dim); i++)
        j->rank[i] = NAN;
    for (; j->first < j->n && !status; j->first += some) {
        uint64_t left = j->n - j->first;
        status = judge_some(j, &within, left < some ? (size_t)left : some);
    }
    return status;
}

static int job_new(const subject *s, const diagnostic_options *o, local_job *j)
{
    const target *t = ratio_target(s->posterior->ratio);

    *j =
        (local_job){.subject = s, .target = t, .dim = t->n, .n = o->n > 0 ? o->n : PAIRS};
    pthread_mutex_init(&j->lock, NULL);
    j->key = rng_purpose(s->seed, "local_coverage/%s", t->name);
    j->box = memory_new(t->n, 2 * sizeof *j->box);
    int status = j->box ? stations_new(s, &j->stations)
                        : fail(NRE_ENOMEM, "out of memory for a region");
    return status ? status : observed_new(s->posterior->ratio, &j->observed);
}

static void job_free(local_job *j)
{
    stations_free(j->subject, j->stations);
    observed_free(j->observed);
    seats_free(j->seats);
    pthread_mutex_destroy(&j->lock);
    free(j->box);
    free(j->theta);
    free(j->x);
    free(j->rank);
}

/* what it means */

typedef struct outcome {
    ecdf joint, *parameter; /* [dim] */
    double p;               /* smallest, times their number */
    uint32_t worst;         /* parameter of the smallest; dim: all together */
    double place,
        off; /* in it: mean place of the truth, and mean |2 place - 1|; 0.5 both */
} outcome;

static int judge(const local_job *j, outcome *out)
{
    double p;

    *out = (outcome){.worst = j->dim};
    out->parameter = memory_new(j->dim, sizeof *out->parameter);
    if (!out->parameter)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    ecdf_of((size_t)j->n, 1, j->rank, &out->joint);
    int status = ecdf_p_value(&out->joint, &out->p);
    for (uint32_t k = 0; k < j->dim && !status; k++) {
        ecdf_of((size_t)j->n, 1, j->place + k * j->n, &out->parameter[k]);
        status = ecdf_p_value(&out->parameter[k], &p);
        if (status || !(p < out->p))
            continue;
        out->p = p;
        out->worst = k;
    }
    if (!isnan(out->p))
        out->p = fmin(1, out->p * (1 + j->dim));
    for (uint64_t i = 0; i < j->n && out->worst < j->dim; i++) {
        double at = j->place[out->worst * j->n + i];
        if (isfinite(at)) {
            out->place += at / (double)out->joint.n;
            out->off += fabs(2 * at - 1) / (double)out->joint.n;
        }
    }
    return status;
}

static uint64_t covered_of(const local_job *j, double level)
{
    uint64_t covered = 0;

    for (uint64_t i = 0; i < j->n; i++)
        covered += j->rank[i] < level;
    return covered;
}

static json_t *cell_json(const local_job *j, uint64_t n, double level)
{
    uint64_t covered = covered_of(j, level);
    double interval[2];

    binomial_interval(covered, n, INTERVAL, interval);
    return json_pack("{s:s s:f s:f s:n s:n s:I s:I s:[ff] s:s}", "region", "credible",
                     "level", level, "coverage", (double)covered / (double)n,
                     "sd_evaluation", "sd_training", "covered", (json_int_t)covered, "n",
                     (json_int_t)n, "interval", interval[0], interval[1], "verdict",
                     verdict_word(verdict_of(level, interval)));
}

static json_t *fractions_json(const ecdf *e)
{
    json_t *all = json_array();

    for (size_t i = 0; i < ECDF_POINTS; i++)
        json_array_append_new(all, json_number((double)e->count[i] / (double)e->n));
    return all;
}

/* Coverage of central intervals: the truth's place is as far from the middle as their
 * ends. */
static int central_json(const local_job *j, uint32_t k, json_t **out)
{
    double *u = memory_new((size_t)j->n, sizeof *u);
    ecdf e;

    if (!u)
        return fail(NRE_ENOMEM, "out of memory for a diagnostic");
    for (uint64_t i = 0; i < j->n; i++)
        u[i] = fabs(2 * j->place[k * j->n + i] - 1);
    ecdf_of((size_t)j->n, 1, u, &e);
    free(u);
    *out = json_pack("{s:s s:o}", "name", target_marginal(j->target, k)->name, "coverage",
                     fractions_json(&e));
    return NRE_OK;
}

static int curve_json(const local_job *j, const outcome *o, json_t **out)
{
    double low[ECDF_POINTS], high[ECDF_POINTS];
    json_t *parameters = json_array(), *one = NULL;
    int status = ecdf_band(o->joint.n, INTERVAL, low, high);

    for (uint32_t k = 0; k < j->dim && !status; k++) {
        status = central_json(j, k, &one);
        if (!status)
            json_array_append_new(parameters, one);
    }
    *out = json_pack("{s:o s:o s:o s:o s:o}", "level",
                     numbers_json(ECDF_POINTS, o->joint.z), "joint",
                     fractions_json(&o->joint), "low", numbers_json(ECDF_POINTS, low),
                     "high", numbers_json(ECDF_POINTS, high), "parameters", parameters);
    return status;
}

/* words */

static const char *fault_of(const local_job *j, const outcome *o, double level,
                            double coverage, size_t n, char *text)
{
    if (o->worst == j->dim) {
        snprintf(text, n, "its regions are too %s", coverage < level ? "small" : "large");
        return text;
    }
    const char *name = target_marginal(j->target, o->worst)->name;
    if (fabs(o->place - 0.5) > 3 / sqrt(12 * (double)o->joint.n))
        snprintf(
            text, n,
            "the truth stands at %.2f of the posterior of %s on average, where 0.5 is "
            "right: the posterior is too %s",
            o->place, name, o->place > 0.5 ? "low" : "high");
    else
        snprintf(text, n, "the posterior of %s is too %s", name,
                 o->off > 0.5 ? "narrow" : "wide");
    return text;
}

static bool too_few(const local_job *j, uint64_t known)
{
    return known < LEAST_KNOWN || (double)(j->n - known) > MOST_MISSING * (double)j->n;
}

static void say_few(const local_job *j, uint64_t known, size_t n, char *text)
{
    if (known == j->n)
        snprintf(text, n,
                 "only %llu pair%s asked for (diagnose.local_coverage); at least %d are "
                 "needed",
                 (unsigned long long)known, known == 1 ? " was" : "s were", LEAST_KNOWN);
    else
        snprintf(text, n,
                 "only %llu of %llu pairs had enough draws in the observation's region: "
                 "too few to rely on",
                 (unsigned long long)known, (unsigned long long)j->n);
}

static json_t *finding_of(const local_job *j, const outcome *o, double level)
{
    char says[512], advice[384], fault[192], reason[192];
    uint64_t n = o->joint.n;
    double coverage = (double)covered_of(j, level) / (double)n;
    finding f = {.verdict = finding_by_p(o->p),
                 .statistic = "coverage near the observation",
                 .value = coverage,
                 .error = sqrt(coverage * (1 - coverage) / (double)n),
                 .expected = level,
                 .p = o->p,
                 .n = n,
                 .says = says};

    snprintf(
        says, sizeof says,
        "Where the observation%s leaves the parameters (%.2g of the prior), %g%% regions "
        "hold the truth in %.1f ± %.1f%% of %llu fresh pairs (%s).",
        j->subject->n_observed > 1 ? " 0, the first," : "", j->of_prior, 100 * level,
        100 * coverage, 100 * f.error, (unsigned long long)n,
        text_of_worst(o->p, 1 + (size_t)j->dim).text);
    if (f.verdict == FINDING_FAILS) {
        snprintf(
            advice, sizeof advice,
            "Near the observation %s. More simulations there help most: rounds, or a "
            "narrower prior; else more of all, an ensemble, or Neyman sets.",
            fault_of(j, o, level, coverage, sizeof fault, fault));
        f.advice = advice;
    }
    if (f.verdict == FINDING_OK && too_few(j, n)) {
        say_few(j, n, sizeof reason, reason);
        f.verdict = FINDING_OPEN;
        f.reason = reason;
    }
    return finding_json(&f);
}

static json_t *region_json(const local_job *j)
{
    json_t *box = json_object();

    for (uint32_t k = 0; k < j->dim; k++)
        json_object_set_new(box, target_marginal(j->target, k)->name,
                            numbers_json(2, j->box + (size_t)2 * k));
    return json_pack("{s:f s:f s:o}", "mass", MASS, "of_prior", j->of_prior, "box", box);
}

static int row_json(const local_job *j, const diagnostic_options *o, const outcome *found,
                    json_t **out)
{
    size_t n_levels = o->n_levels > 0 ? o->n_levels : sizeof LEVELS / sizeof LEVELS[0];
    const double *levels = o->n_levels > 0 ? o->levels : LEVELS;
    json_t *cells = json_array(), *curve = NULL;

    if (found->joint.n == 0) {
        json_decref(cells);
        *out = finding_open("no pair had enough draws in the observation's region");
        return NRE_OK;
    }
    for (size_t i = 0; i < n_levels; i++)
        json_array_append_new(cells, cell_json(j, found->joint.n, levels[i]));
    int status = curve_json(j, found, &curve);
    *out = finding_of(j, found, levels[0]);
    json_object_set_new(*out, "observation", json_string("0"));
    json_object_set_new(*out, "region", region_json(j));
    json_object_set_new(*out, "missing",
                        json_integer((json_int_t)(j->n - found->joint.n)));
    json_object_set_new(*out, "cells", cells);
    json_object_set_new(*out, "curve", curve);
    return status;
}

static const char *declines(const subject *s)
{
    if (s->n_observed == 0)
        return "there is no observation";
    if (s->joint && s->n_observed > 1)
        return "the rows are one observation together, whose posterior is not that of a "
               "row: "
               "`convergence` judges rows together";
    if (s->posterior && s->posterior->truncation)
        return "rounds have cut the prior to this observation: coverage itself is local";
    if (!s->simulator)
        return "it needs fresh simulations, and there is no simulator";
    return s->posterior ? NULL : "there is no ratio";
}

static int perform(const subject *s, const diagnostic_options *o, json_t **out)
{
    local_job j;
    outcome found = {.parameter = NULL};
    char reason[256] = "";
    int status = job_new(s, o, &j);

    *out = NULL;
    if (!status)
        status = find_region(&j, sizeof reason, reason);
    if (!status && *reason)
        *out = finding_open(reason);
    if (!status && !*reason)
        status = judge_all(&j);
    if (!status && !*reason)
        status = judge(&j, &found);
    if (!status && !*reason)
        status = row_json(&j, o, &found, out);
    free(found.parameter);
    job_free(&j);
    return status;
}

const diagnostic local_coverage_diagnostic = {.name = "local_coverage",
                                              .observes = true,
                                              .simulates = true,
                                              .slow = true,
                                              .declines = declines,
                                              .perform = perform};
