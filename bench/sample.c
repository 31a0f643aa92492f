/* bench/sample - log ratios a second in each sampler, beside the bare network's.
 *
 * samplers: CHAINS chains of one x, network of random weights, so that the posterior is a wide one.
 * The rate is that of draws, between the first block and the last; start, warm-up and summary are left
 * out, but for a second line of chains: steps of warm-up, by the difference of a long and a short one.
 * The limit is the network alone in as many threads with as many points a call: those of all
 * chains, which the threads share out, or CHAINS in each thread where a step has far more points.
 * together: many x in one log-density call, against one after another.
 * posterior: --run DIR, a finished run of slcp: seconds for 10,000 draws from the first row of its
 * observation, start points and all.
 * --only NAME: that sampler alone, or 'together'. */
#include "bench.h"
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHAINS = 100,
    ROWS = 1000,     /* sampled together */
    ROWS_ALONE = 20, /* one after another */
    FEW = 3,         /* chains of each of them, */
    BLOCK = 250,     /* with so many steps of warm-up, and as many draws */
    WARMUP = 300,    /* before draws are timed */
    FIRST = 100      /* draws of the first block; steps of a short warm-up */
};

typedef struct sampling {
    const bench *b;
    model *m;
    model *const *members;
    scaling scale, *scaling;
    prior prior;
    marginal of[BENCH_THETA];
    uint32_t which[BENCH_THETA];
    target target;
    ratio *ratio;
    posterior posterior;
    float *x; /* [ROWS][bins] */
    observed *one, *many;
    host_services services;
} sampling;

static const char *only; /* of --only */

/* set-up */

static int scaling_make(sampling *s)
{
    size_t n = s->b->bins;
    arena *a = s->b->memory;
    s->scale = (scaling){n, arena_alloc(a, n, 1), arena_alloc(a, n, sizeof(float)),
                         arena_alloc(a, n, sizeof(float))};
    s->scaling = &s->scale;
    if (!s->scale.scale || !s->scale.mean || !s->scale.inverse)
        return fail(NRE_ENOMEM, "no memory for a scaling");
    for (size_t i = 0; i < n; i++) {
        s->scale.scale[i] = NRE_SCALE_AFFINE;
        s->scale.inverse[i] = 1;
    }
    return NRE_OK;
}

static int model_make(sampling *s)
{
    const net *g = s->b->g;
    arena *a = s->b->memory;
    float *weights = arena_alloc(a, net_n_weights(g), sizeof *weights);
    float *buffers = arena_alloc(a, net_n_buffers(g) + 1, sizeof *buffers);
    if (!weights || !buffers)
        return fail(NRE_ENOMEM, "no memory for the weights");
    net_init(g, rng_purpose(1, "init"), weights, buffers);
    return model_new(g, weights, buffers, &s->m);
}

static void target_make(sampling *s)
{
    static const char *const names[BENCH_THETA] = {"a", "b"};
    for (uint32_t k = 0; k < BENCH_THETA; k++) {
        s->of[k] = (marginal){.name = names[k], .family = NRE_UNIFORM, .a = -1, .b = 3};
        marginal_settle(&s->of[k]);
        s->which[k] = k;
    }
    s->prior = (prior){.n = BENCH_THETA, .of = s->of};
    s->target =
        (target){.name = "all", .n = BENCH_THETA, .which = s->which, .prior = &s->prior};
}

static int observe(sampling *s, size_t n, observed **out)
{
    ratio_worker *w = NULL;
    int status = ratio_worker_new(s->ratio, &w);
    if (!status)
        status = observed_new(s->ratio, out);
    if (!status)
        status = ratio_observe(s->ratio, w, n, s->x, *out);
    ratio_worker_free(w);
    return status;
}

static int sampling_open(sampling *s, const bench *b)
{
    rng r;
    *s = (sampling){.b = b, .services = {.workers = b->p}};
    target_make(s);
    int status = scaling_make(s);
    if (!status)
        status = model_make(s);
    s->members = &s->m;
    if (!status)
        status = ratio_of_networks(&s->target, 1, s->members, &s->scaling, &s->ratio);
    s->posterior.ratio = s->ratio;
    s->x = arena_alloc(b->memory, (size_t)ROWS * b->bins, sizeof *s->x);
    if (!status && !s->x)
        status = fail(NRE_ENOMEM, "no memory for the inputs");
    rng_start(&r, rng_purpose(1, "bench"), 0, 0);
    for (size_t i = 0; !status && i < (size_t)ROWS * b->bins; i++)
        s->x[i] = (float)rng_normal(&r);
    if (!status)
        status = observe(s, 1, &s->one);
    return status ? status : observe(s, ROWS, &s->many);
}

static void sampling_close(sampling *s)
{
    observed_free(s->one);
    observed_free(s->many);
    ratio_free(s->ratio);
    model_free(s->m);
}

static int sampler_open(const bench *b, const char *name, instance **out)
{
    const plugin *p = NULL;
    nre_values *v = NULL;
    int status = plugin_load(b->all, NRE_SAMPLER, name, &p);
    if (!status)
        status = values_new(p, b->memory, &v);
    return status ? status : instance_new(p, v, &(host_services){0}, out);
}

/* the network alone */

typedef struct bare {
    const sampling *s;
    size_t calls, points;
    model_worker **worker; /* [threads] */
    float *head, *theta;
    float **logit, **gradient; /* [threads] */
    bool with_gradient;
} bare;

static int bare_item(void *context, size_t i, unsigned worker)
{
    const bare *e = context;
    (void)i;
    int status = NRE_OK;
    for (size_t k = 0; k < e->calls && !status; k++)
        status =
            model_trunk(e->s->m, e->worker[worker], 1, e->points, e->head, e->theta,
                        e->logit[worker], e->with_gradient ? e->gradient[worker] : NULL);
    return status;
}

static int bare_open(bare *e, const sampling *s)
{
    arena *a = s->b->memory;
    unsigned threads = s->b->o->threads;
    *e = (bare){.s = s};
    e->worker = arena_alloc(a, threads, sizeof(model_worker *));
    e->logit = arena_alloc(a, threads, sizeof(float *));
    e->gradient = arena_alloc(a, threads, sizeof(float *));
    e->head = arena_alloc(a, model_head_size(s->m) + 1, sizeof *e->head);
    e->theta = arena_alloc(a, (size_t)CHAINS * BENCH_THETA, sizeof *e->theta);
    if (!e->worker || !e->logit || !e->gradient || !e->head || !e->theta)
        return fail(NRE_ENOMEM, "no memory for the inputs");
    int status = NRE_OK;
    for (unsigned i = 0; i < threads && !status; i++) {
        e->logit[i] = arena_alloc(a, CHAINS, sizeof(float));
        e->gradient[i] = arena_alloc(a, (size_t)CHAINS * BENCH_THETA, sizeof(float));
        status = model_worker_new(s->m, &e->worker[i]);
    }
    rng r;
    rng_start(&r, rng_purpose(2, "bench"), 0, 0);
    for (size_t i = 0; i < (size_t)CHAINS * BENCH_THETA; i++)
        e->theta[i] = (float)rng_normal(&r);
    return status ? status : model_head(s->m, e->worker[0], 1, s->x, e->head);
}

static void bare_close(bare *e)
{
    for (unsigned i = 0; e->worker && i < e->s->b->o->threads; i++)
        model_worker_free(e->worker[i]);
}

/* Points a second. */
static int bare_rate(bare *e, bool gradient, size_t points, size_t steps, double *rate)
{
    const bench *b = e->s->b;
    unsigned threads = b->o->threads;
    e->with_gradient = gradient;
    e->points = points;
    e->calls = 1;
    int status = pool_run(b->p, threads, bare_item, e);
    e->calls = steps * CHAINS / (points * threads) + 1;
    double start = now();
    if (!status)
        status = pool_run(b->p, threads, bare_item, e);
    *rate = (double)(threads * e->calls * points) / (now() - start);
    return status;
}

/* samplers */

typedef struct rate {
    double value, limit, share; /* medians */
} rate;

/* Looks at the clock after the first block of draws, and after each. */
typedef struct stopwatch {
    progress base; /* first */
    double first, last;
} stopwatch;

static void look(progress *p, const char *what, uint64_t done, uint64_t total,
                 const char *of, const char *detail)
{
    stopwatch *w = (stopwatch *)(void *)p;
    (void)done, (void)total, (void)of, (void)detail;
    if (strcmp(what, "sampling") != 0)
        return;
    w->last = now();
    if (w->first == 0)
        w->first = w->last;
}

static int run_once(const sampling *s, const instance *sampler, size_t warmup,
                    size_t draws, stopwatch *w, double *evaluations)
{
    chains c;
    chains_plan how = {.n_chains = CHAINS,
                       .warmup = warmup,
                       .draws = draws,
                       .seed = 1,
                       .purpose = "chain/all/0",
                       .services = &s->services};
    how.watch = &w->base;
    *w = (stopwatch){.base.report = look};
    int status = chains_of(sampler, &s->posterior, s->one, 0, 1, &how, &c);
    if (status)
        return status;
    *evaluations = (double)c.evaluations;
    chains_release(&c);
    return NRE_OK;
}

static unsigned flags_of(const instance *sampler)
{
    return sampler->plugin->table->ops.sampler->flags;
}

/* Evaluations a second of STEPS draws; of all where draws are weighted. */
static int draw_rate(const sampling *s, const instance *sampler, size_t steps,
                     double *out)
{
    stopwatch w;
    double n = 0, before = 0;
    bool weighted = (flags_of(sampler) & NRE_WEIGHTED) != 0;
    int status = NRE_OK;
    if (!weighted)
        status = run_once(s, sampler, WARMUP, FIRST, &w, &before);
    double start = now();
    if (!status)
        status = run_once(s, sampler, WARMUP, FIRST + steps, &w, &n);
    *out = (n - before) / (w.last - (weighted ? start : w.first));
    return status;
}

/* Of STEPS steps of warm-up, and at least FIRST. */
static int warmup_rate(const sampling *s, const instance *sampler, size_t steps,
                       double *out)
{
    stopwatch w;
    double seconds[2], n[2] = {0};
    int status = NRE_OK;
    for (size_t i = 0; i < 2 && !status; i++) {
        double start = now();
        size_t warmup = i ? FIRST + (steps > FIRST ? steps : FIRST) : FIRST;
        status = run_once(s, sampler, warmup, 4, &w, &n[i]);
        seconds[i] = now() - start;
    }
    *out = (n[1] - n[0]) / (seconds[1] - seconds[0]);
    return status;
}

static size_t steps_of(const sampling *s)
{
    double points = 2e10 / model_flops(s->m);
    return (size_t)(points / CHAINS) + 100;
}

typedef int rate_of(const sampling *s, const instance *sampler, size_t steps,
                    double *out);

static int measure_sampler(const sampling *s, bare *e, const instance *sampler,
                           size_t points, rate_of *take, rate *out)
{
    const bench_options *o = s->b->o;
    double value[MOST_ROUNDS], limit[MOST_ROUNDS], share[MOST_ROUNDS], start = now();
    size_t n = 0, steps = steps_of(s);
    bool gradient = (flags_of(sampler) & NRE_NEEDS_GRADIENT) != 0;
    int status = NRE_OK;
    for (; !status && n < o->rounds && (n == 0 || now() - start < o->seconds); n++) {
        status = bare_rate(e, gradient, points, steps, &limit[n]);
        if (!status)
            status = take(s, sampler, steps / (gradient ? 8 : 1), &value[n]);
        share[n] = value[n] / limit[n];
    }
    if (!status)
        *out = (rate){median_of(n, value), median_of(n, limit), median_of(n, share)};
    return status;
}

static void print_rate(const bench *b, const char *metric, const char *per, const rate *r)
{
    if (b->o->json)
        printf("{\"bench\": \"sample\", \"case\": \"%s\", \"metric\": \"%s_%s\", "
               "\"value\": %.1f, \"limit\": %.1f, \"share\": %.3f, \"threads\": %u}\n",
               b->network->name, metric, per, r->value, r->limit, r->share,
               b->o->threads);
    else
        printf("%-12s %-16s %11.0f %11.0f %5.0f%%\n", b->network->name, metric, r->value,
               r->limit, 100 * r->share);
    fflush(stdout);
}

typedef struct contestant {
    const char *name;
    bool point; /* a chain: in most calls */
} contestant;

static void measure_one(const sampling *s, bare *e, const contestant *c)
{
    char name[48];
    rate r;
    instance *sampler = NULL;
    size_t threads = s->b->o->threads, points = CHAINS;
    if (c->point)
        points = (CHAINS + threads - 1) / threads;
    int status = sampler_open(s->b, c->name, &sampler);
    if (!status)
        status = measure_sampler(s, e, sampler, points, draw_rate, &r);
    if (!status)
        print_rate(s->b, c->name, "log_ratios_per_s", &r);
    if (!status && c->point)
        status = measure_sampler(s, e, sampler, points, warmup_rate, &r);
    snprintf(name, sizeof name, "%s_warmup", c->name);
    if (!status && c->point)
        print_rate(s->b, name, "log_ratios_per_s", &r);
    if (status)
        fprintf(stderr, "%s: %s\n", c->name, error_message());
    instance_free(sampler);
}

static int measure_samplers(const sampling *s)
{
    static const contestant ALL[] = {
        {"metropolis", true}, {"hmc", true},         {"nuts", true},
        {"slice", true},      {"ensemble", true},    {"tempered", false},
        {"rejection", false}, {"importance", false}, {"grid", false}};
    bare e;
    int status = bare_open(&e, s);
    for (size_t i = 0; i < sizeof ALL / sizeof ALL[0] && !status; i++)
        if (!only || strcmp(only, ALL[i].name) == 0)
            measure_one(s, &e, &ALL[i]);
    bare_close(&e);
    return status;
}

/* many observations */

static int sample_rows(const sampling *s, const instance *sampler, size_t chains_each,
                       bool together, size_t n, double *rate_out)
{
    chains *c = memory_new(n, sizeof *c);
    chains_plan how = {.n_chains = chains_each,
                       .warmup = BLOCK,
                       .draws = BLOCK,
                       .seed = 1,
                       .purpose = "chain/all",
                       .services = &s->services};
    if (!c)
        return fail(NRE_ENOMEM, "no memory for %zu rows", n);
    size_t most = together ? chains_at_once(&how, BENCH_THETA) : 1;
    double start = now();
    int status = NRE_OK;
    for (size_t i = 0; i < n && !status; i += most) {
        size_t some = n - i < most ? n - i : most;
        status = chains_of_rows(sampler, &s->posterior, s->many, i, some, &how, c);
        for (size_t k = 0; k < some && !status; k++)
            chains_release(&c[k]);
    }
    *rate_out = (double)n / (now() - start);
    free(c);
    return status;
}

/* Rows a second; the "limit" is what they are compared with, one after another. */
static int measure_rows(const sampling *s)
{
    static const size_t each[FEW] = {1, 4, 16};
    instance *sampler = NULL;
    int status = sampler_open(s->b, "metropolis", &sampler);
    for (size_t k = 0; k < FEW && !status; k++) {
        double together[MOST_ROUNDS], alone[MOST_ROUNDS], gain[MOST_ROUNDS];
        size_t n = 0;
        for (; n < 3 && n < s->b->o->rounds && !status; n++) {
            status = sample_rows(s, sampler, each[k], false, ROWS_ALONE, &alone[n]);
            if (!status)
                status = sample_rows(s, sampler, each[k], true, ROWS, &together[n]);
            gain[n] = together[n] / alone[n];
        }
        char name[32];
        snprintf(name, sizeof name, "together_%zu", each[k]);
        if (!status)
            print_rate(
                s->b, name, "x_per_s",
                &(rate){median_of(n, together), median_of(n, alone), median_of(n, gain)});
    }
    instance_free(sampler);
    return status;
}

static int measure_case(bench *b)
{
    sampling s;
    int status = sampling_open(&s, b);
    if (!status)
        status = measure_samplers(&s);
    if (!status && b->network == &SMALL_NETWORK &&
        (!only || strcmp(only, "together") == 0))
        status = measure_rows(&s);
    sampling_close(&s);
    return status;
}

/* a posterior of a finished run */

static int time_posterior(const run *r, const estimator *e, const observed *o)
{
    const session *s = r->session;
    chains c;
    chains_plan how = {.n_chains = s->experiment->infer.sampler.chains,
                       .warmup = s->experiment->infer.sampler.warmup,
                       .draws = s->experiment->infer.sampler.draws,
                       .seed = 1,
                       .purpose = "chain/all/0",
                       .services = &s->services};
    double start = now();
    int status = chains_of(s->sampler, &e->posterior, o, 0, 1, &how, &c);
    double seconds = now() - start, r_hat = 0, ess = INFINITY;
    if (status)
        return status;
    for (uint32_t k = 0; k < c.dim; k++) {
        r_hat = fmax(r_hat, c.r_hat[k]);
        ess = fmin(ess, c.ess_bulk[k]);
    }
    printf("{\"bench\": \"sample\", \"case\": \"posterior\", \"sampler\": \"%s\", "
           "\"chains\": %zu, \"warmup\": %zu, \"draws\": %zu, \"metric\": \"seconds\", "
           "\"value\": %.3f, \"r_hat_max\": %.4f, \"ess_min\": %.0f, \"evaluations\": "
           "%llu, \"threads\": %u}\n",
           s->sampler->plugin->table->name, how.n_chains, how.warmup,
           c.n_chains * c.n_draws, seconds, r_hat, ess, (unsigned long long)c.evaluations,
           pool_threads(s->workers));
    chains_release(&c);
    return NRE_OK;
}

/* Of the target 'all', its first observed row. */
static int posterior_of_run(run *r, size_t which)
{
    estimator *e = NULL;
    observed *o = NULL;
    ratio_worker *w = NULL;
    size_t n;
    const float *x;
    int status = observations_of(r, &n, &x);
    if (!status)
        status = estimator_open(r, which, &e);
    if (!status)
        status = ratio_worker_new(e->ratio, &w);
    if (!status)
        status = observed_new(e->ratio, &o);
    if (!status)
        status = ratio_observe(e->ratio, w, 1, x, o);
    for (int i = 0; i < 3 && !status; i++)
        status = time_posterior(r, e, o);
    observed_free(o);
    ratio_worker_free(w);
    estimator_close(e);
    return status;
}

static int measure_run(const char *path, const bench_options *o, char *self, size_t n_set,
                       char **set)
{
    session *s = NULL;
    folder *f = NULL;
    arena *a = arena_new();
    command c = {.threads = o->threads, .n_plugin_path = 1};
    c.plugin_path[0] = path_join(a, path_folder(a, path_folder(a, self)), "plugins");
    int status = folder_peek(path, &f);
    session_request q = {.command = &c};
    for (; c.n_set < n_set && c.n_set < COMMAND_LIST; c.n_set++)
        c.set[c.n_set] = set[c.n_set];
    if (!status) {
        q.config = folder_path(f, "resolved.yaml");
        status = session_open(&q, &s);
    }
    if (!status) {
        run r = {.session = s, .folder = f, .source = f};
        size_t which = 0;
        for (size_t i = 0; i < s->n_targets; i++)
            if (strcmp(s->targets[i].name, "all") == 0)
                which = i;
        status = posterior_of_run(&r, which);
    }
    if (status)
        fprintf(stderr, "%s: %s\n", path, error_message());
    session_close(s);
    folder_close(f);
    arena_free(a);
    return status ? exit_code_of(status) : 0;
}

static void print_header(const bench_options *o)
{
    printf("%s, kernel %s; own kernels %s; %u threads%s\n"
           "Log ratios a second in %d chains of one x; limit: the network alone, %d "
           "points a\n"
           "call or, for a point a chain, shared by the threads.  together_N: x a second "
           "with N chains each, %d at once; limit and share: "
           "one\n"
           "after another, and the gain.\n",
           blas_version(), blas_kernel(), kernel_name(), o->threads,
           o->cpu ? "; seconds of CPU" : "", CHAINS, CHAINS, ROWS);
    printf("%-12s %-16s %11s %11s %6s\n", "case", "sampler", "value", "limit", "share");
}

int main(int argc, char **argv)
{
    bench_options o;
    const char *path = NULL;
    size_t n_set = 0;
    char *set[COMMAND_LIST];
    int n = 1;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--only") == 0 && i + 1 < argc)
            only = argv[++i];
        else if (strcmp(argv[i], "--run") == 0 && i + 1 < argc)
            path = argv[++i];
        else if (strcmp(argv[i], "--set") == 0 && i + 1 < argc && n_set < COMMAND_LIST)
            set[n_set++] = argv[++i];
        else
            argv[n++] = argv[i];
    int code = options_read("sample", n, argv, &o);
    if (code)
        return code;
    if (path)
        return measure_run(path, &o, argv[0], n_set, set);
    if (!o.json)
        print_header(&o);
    const network *const cases[] = {&SMALL_NETWORK, &NETWORKS[2]};
    for (size_t i = 0; !code && i < sizeof cases / sizeof cases[0]; i++)
        if (!o.name || strcmp(o.name, cases[i]->name) == 0)
            code = bench_fork(&(bench){.o = &o, .network = cases[i], .bins = 66},
                              measure_case);
    return code;
}
