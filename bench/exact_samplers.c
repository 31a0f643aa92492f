/* exact_samplers.c - do samplers draw from the posterior?  C2ST of their draws against exact ones.
 *
 *   exact_samplers [SIMULATOR ...] [--samplers nuts,slice] [--n 10000] [--observations 1]
 *                  [--seed 1] [--threads 2] [--json]
 *
 * The target is the simulator's own likelihood; observations are simulated at nominal parameters.
 * Chains are thinned to twice their autocorrelation, weighted draws resampled, so that draws are
 * independent.  z is (C2ST - 1/2) in the standard errors of two samples of one law. */
#include "diagnose/diagnose.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const double LIMIT = 4.5;

/* How much each is asked for.  Those that draw from the prior, or lay a grid, serve few parameters. */
typedef struct method {
    const char *sampler, *option[2]; /* name and value; NULL: none */
    size_t chains, warmup, draws, most_parameters;
} method;
static const method METHODS[] = {
    {"metropolis", {NULL, NULL}, 500, 500, 1000, 100},
    {"hmc", {NULL, NULL}, 500, 150, 60, 100},
    {"nuts", {NULL, NULL}, 500, 150, 60, 100},
    {"slice", {NULL, NULL}, 500, 1000, 300, 100},
    {"ensemble", {NULL, NULL}, 500, 500, 1000, 100},
    {"tempered", {NULL, NULL}, 500, 300, 300, 100},
    {"importance", {NULL, NULL}, 500, 0, 20000, 5},
    {"rejection", {NULL, NULL}, 500, 0, 20, 5},
    {"grid", {"points", "1000"}, 1, 0, 1, 2},
};
enum { N_METHODS = sizeof METHODS / sizeof METHODS[0] };

typedef struct settings {
    size_t n, observations;
    uint64_t seed;
    unsigned threads;
    int json;
    char *samplers; /* NULL: all */
} settings;

/* One simulator, and one observation of it. */
typedef struct bench {
    const settings *settings;
    arena *memory;
    plugins *plugins;
    pool *pool;
    host_services services;
    const char *name;
    instance *instance;
    simulator *simulator;
    target target;
    posterior posterior;
    ratio *ratio;
    ratio_worker *worker;
    observed *observed;
    size_t observation;
    float *x;
    double *exact, *drawn; /* [n][dim] */
    bool failed;
} bench;

/* exact posterior draws */

/* slcp (its file has the symbols): given S the mean of the points is N(mean x, S / 4) cut by the
 * box; what is left of the likelihood is |S|^-3/2 exp(-tr(S^-1 A) / 2), A the scatter of the
 * points around their mean, at most its value at S = A / 3: rejection from the prior. */
typedef struct slcp {
    double mean[2], a, b, c; /* A = [a b; b c] */
    double most;
} slcp;

static slcp slcp_of(const float *x)
{
    slcp s = {0};
    for (size_t i = 0; i < 8; i++)
        s.mean[i % 2] += (double)x[i] / 4;
    for (size_t i = 0; i < 4; i++) {
        double u = (double)x[2 * i] - s.mean[0], v = (double)x[2 * i + 1] - s.mean[1];
        s.a += u * u;
        s.b += u * v;
        s.c += v * v;
    }
    s.most = -1.5 * log((s.a * s.c - s.b * s.b) / 9) - 3;
    return s;
}

/* S = [*p *q; *q *r] and the logarithm of what is left of the likelihood. */
static double slcp_rest(const slcp *s, const double *theta, double *p, double *q,
                        double *r)
{
    const double epsilon = 1e-6, rho = tanh(theta[4]);
    double u = theta[2] * theta[2], v = theta[3] * theta[3];
    *p = u * u + epsilon;
    *q = rho * u * v;
    *r = v * v + epsilon;
    double determinant = *p * *r - *q * *q;
    return -1.5 * log(determinant) -
           0.5 * (*r * s->a - 2 * *q * s->b + *p * s->c) / determinant;
}

static void slcp_draw(const slcp *s, rng *g, double *theta)
{
    double p, q, r, rest;
    do {
        do {
            for (size_t k = 2; k < 5; k++)
                theta[k] = 6 * rng_uniform(g) - 3;
            rest = slcp_rest(s, theta, &p, &q, &r);
        } while (log(rng_uniform(g)) > rest - s->most);
        double e = rng_normal(g), f = rng_normal(g);
        theta[0] = s->mean[0] + 0.5 * sqrt(p) * e;
        theta[1] = s->mean[1] + 0.5 * (q / sqrt(p) * e + sqrt(r - q * q / p) * f);
    } while (fabs(theta[0]) > 3 || fabs(theta[1]) > 3);
}

/* That of the plugin, but for a constant: so the algebra above is right. */
static double slcp_log_likelihood(const slcp *s, const double *theta)
{
    double p, q, r, rest = slcp_rest(s, theta, &p, &q, &r), determinant = p * r - q * q;
    double u = theta[0] - s->mean[0], v = theta[1] - s->mean[1];
    return rest - 0.5 * log(determinant) -
           2 * (r * u * u - 2 * q * u * v + p * v * v) / determinant;
}

static int slcp_check(const bench *b, const slcp *s, size_t n, const double *theta)
{
    double first = 0;
    for (size_t i = 0; i < n; i++) {
        double logl, mine = slcp_log_likelihood(s, theta + 5 * i);
        int status =
            simulator_ops(b->simulator)
                ->log_likelihood(b->instance->self, 1, theta + 5 * i, b->x, &logl, NULL);
        if (status)
            return status;
        first = i ? first : logl - mine;
        if (fabs(logl - mine - first) > 1e-6 * (1 + fabs(mine)))
            return fail(NRE_EINTERNAL, "slcp: %.9g is not the likelihood %.9g",
                        mine + first, logl);
    }
    return NRE_OK;
}

static int draw_exact(const bench *b)
{
    const nre_simulator_ops *ops = simulator_ops(b->simulator);
    rng_key key = rng_purpose(b->settings->seed, "exact/%zu", b->observation);
    bool by_hand = strcmp(b->name, "slcp") == 0;
    slcp s = by_hand ? slcp_of(b->x) : (slcp){0};
    int status = NRE_OK;
    for (size_t i = 0; i < b->settings->n && !status; i++) {
        rng g;
        nre_rng *one = &g.api;
        double *theta = b->exact + i * b->target.n;
        rng_start(&g, key, i, 0);
        if (by_hand)
            slcp_draw(&s, &g, theta);
        else
            status = ops->posterior_sample(b->instance->self, b->x, 1, &one, theta);
    }
    return by_hand && !status ? slcp_check(b, &s, b->settings->n, b->exact) : status;
}

/* draws of a sampler */

/* Every STEP-th draw of each chain, at most N, the chains in turn so that all take part; chains that
 * never leave their mode give one draw each, which are as independent as their starts. */
static size_t thin(const chains *c, size_t n, double *out)
{
    size_t kept = 0, total = c->n_chains * c->n_draws;
    double apart = ceil(2 * (double)total / c->effective);
    size_t step = apart < (double)c->n_draws ? (size_t)apart : c->n_draws;
    for (size_t i = step - 1; i < c->n_draws; i += step)
        for (size_t k = 0; k < c->n_chains && kept < n; k++, kept++)
            memcpy(out + kept * c->dim, c->theta + (k * c->n_draws + i) * c->dim,
                   c->dim * sizeof *out);
    return kept;
}

/* Systematic resampling, in an order without meaning; a third of the effective size at most, so that
 * few are there twice, but of a grid, whose weights are no accident. */
static size_t resample(const bench *b, const chains *c, size_t n, double *out)
{
    rng g;
    size_t total = c->n_chains * c->n_draws, at = 0, most = (size_t)(c->effective / 3);
    uint64_t *place = memory_new(n, sizeof *place);
    n = isfinite(c->k_hat) && most < n ? most : n;
    rng_start(&g, rng_purpose(b->settings->seed, "resample"), b->observation, 0);
    double u = rng_uniform(&g), below = c->weight[0];
    if (place)
        rng_permutation(&g, n, place);
    for (size_t i = 0; place && i < n; i++) {
        for (; (u + (double)i) / (double)n > below && at + 1 < total;
             below += c->weight[at])
            at++;
        memcpy(out + place[i] * c->dim, c->theta + at * c->dim, c->dim * sizeof *out);
    }
    free(place);
    return place ? n : 0;
}

static int set_option(nre_values *v, const method *m)
{
    return m->option[0] ? values_set(v, m->option[0], false, 1, &m->option[1]) : NRE_OK;
}

static int run_sampler(bench *b, const method *m, chains *out)
{
    const plugin *p;
    nre_values *values;
    instance *sampler = NULL;
    chains_plan how = {.n_chains = m->chains,
                       .warmup = m->warmup,
                       .draws = m->draws,
                       .seed = b->settings->seed,
                       .purpose = arena_print(b->memory, "chain/all/%zu", b->observation),
                       .services = &b->services};
    int status = plugin_load(b->plugins, NRE_SAMPLER, m->sampler, &p);
    if (!status)
        status = values_new(p, b->memory, &values);
    if (!status)
        status = set_option(values, m);
    if (!status)
        status = instance_new(p, values, &b->services, &sampler);
    if (!status)
        status = chains_of(sampler, &b->posterior, b->observed, 0, 1, &how, out);
    instance_free(sampler);
    return status;
}

static void say(const bench *b, const method *m, const chains *c, size_t n,
                const c2st_result *t, double z)
{
    const char *word = z < LIMIT ? "ok" : "off";
    if (b->settings->json)
        printf("{\"bench\": \"exact_samplers\", \"case\": \"%s/%zu/%s\", \"metric\": "
               "\"c2st\", "
               "\"value\": %.5f, \"error\": %.5f, \"n\": %zu, \"effective\": %.0f, "
               "\"verdict\": \"%s\"}\n",
               b->name, b->observation, m->sampler, t->accuracy, t->null_error, n,
               c->effective, word);
    else
        printf("%-16s %3zu  %-11s %6zu %9.0f %11llu  %.4f +- %.4f %6.1f  %s\n", b->name,
               b->observation, m->sampler, n, c->effective,
               (unsigned long long)c->evaluations, t->accuracy, t->null_error, z, word);
    fflush(stdout);
}

static int judge(bench *b, const method *m)
{
    chains c = {0};
    c2st_result t;
    int status = run_sampler(b, m, &c);
    if (status)
        return status;
    size_t n = c.weight ? resample(b, &c, b->settings->n, b->drawn)
                        : thin(&c, b->settings->n, b->drawn);
    status = c2st_of(n, b->target.n, b->exact, b->drawn, b->settings->seed, b->pool, &t);
    if (!status) {
        double z = (t.accuracy - 0.5) / t.null_error;
        b->failed |= !(z < LIMIT);
        say(b, m, &c, n, &t, z);
    }
    chains_release(&c);
    return status;
}

static bool is_wanted(const bench *b, const method *m)
{
    char list[256], *rest = NULL;
    bool wanted = !b->settings->samplers;
    if (b->target.n > m->most_parameters)
        return false;
    snprintf(list, sizeof list, "%s", wanted ? "" : b->settings->samplers);
    for (char *s = strtok_r(list, ",", &rest); s; s = strtok_r(NULL, ",", &rest))
        wanted |= strcmp(s, m->sampler) == 0;
    return wanted;
}

/* a simulator */

static int observe(bench *b, size_t which)
{
    tally count = {0};
    double *nominal = memory_new(simulator_n_theta(b->simulator), sizeof *nominal);
    if (!nominal)
        return fail(NRE_ENOMEM, "no memory for an observation");
    simulator_nominal(b->simulator, nominal);
    draw d = {.seed = b->settings->seed,
              .purpose = "observation",
              .first = which,
              .n = 1,
              .at = nominal};
    b->observation = which;
    int status =
        simulator_draw(b->simulator, NULL, NULL, &d, NULL, b->x, NULL, &count, NULL);
    if (!status)
        status = ratio_observe(b->ratio, b->worker, 1, b->x, b->observed);
    free(nominal);
    return status ? status : draw_exact(b);
}

static int bench_open(bench *b, const char *name)
{
    const plugin *p;
    nre_values *values;
    b->name = name;
    int status = plugin_load(b->plugins, NRE_SIMULATOR, name, &p);
    if (!status)
        status = values_new(p, b->memory, &values);
    if (!status)
        status = instance_new(p, values, &b->services, &b->instance);
    if (!status)
        status = simulator_open(b->instance, 0, NULL, &b->simulator);
    if (!status)
        status = target_of(b->simulator, b->memory, true, 0, NULL, &b->target);
    if (!status)
        status = ratio_exact(b->simulator, &b->target, &b->ratio);
    if (!status)
        status = ratio_worker_new(b->ratio, &b->worker);
    if (!status)
        status = observed_new(b->ratio, &b->observed);
    if (status)
        return status;
    b->posterior = (posterior){.ratio = b->ratio};
    b->x = memory_new(simulator_n_x(b->simulator), sizeof *b->x);
    b->exact = memory_new(b->settings->n, b->target.n * sizeof *b->exact);
    b->drawn = memory_new(b->settings->n, b->target.n * sizeof *b->drawn);
    return b->x && b->exact && b->drawn ? NRE_OK
                                        : fail(NRE_ENOMEM, "no memory for draws");
}

static void bench_close(bench *b)
{
    free(b->drawn);
    free(b->exact);
    free(b->x);
    observed_free(b->observed);
    ratio_worker_free(b->worker);
    ratio_free(b->ratio);
    simulator_close(b->simulator);
    instance_free(b->instance);
}

/* A sampler that refuses a posterior says why, and the next one has its turn. */
static int attempt(bench *b, const method *m)
{
    int status = judge(b, m);
    if (status == NRE_OK)
        return NRE_OK;
    if (status != NRE_ENOTSUP && status != NRE_ENUMERIC && status != NRE_EPLUGIN)
        return fail_within(status, "%s", m->sampler);
    fprintf(stderr, "%s: %s: refused: %s\n", b->name, m->sampler, error_message());
    return NRE_OK;
}

static int run_simulator(const bench *common, const char *name, bool *failed)
{
    bench b = *common;
    int status = bench_open(&b, name);
    for (size_t o = 0; o < b.settings->observations && !status; o++) {
        status = observe(&b, o);
        for (size_t i = 0; i < N_METHODS && !status; i++)
            if (is_wanted(&b, &METHODS[i]))
                status = attempt(&b, &METHODS[i]);
    }
    *failed |= b.failed;
    bench_close(&b);
    return status;
}

/* the command line */

/* Plugins of the build that this program belongs to: BUILD/bench, BUILD/plugins. */
static int find_plugins(bench *b)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n < 0)
        return fail(NRE_EIO, "/proc/self/exe cannot be read");
    path[n] = 0;
    const char *build = path_folder(b->memory, path_folder(b->memory, path));
    const char *folder = path_join(b->memory, build, "plugins");
    return plugins_new(1, &folder, &b->plugins);
}

static int run_all(const settings *s, const char *const *names, bool *failed)
{
    bench b = {.settings = s, .memory = arena_new()};
    int status = b.memory ? blas_start() : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = pool_new(s->threads, &b.pool);
    b.services.workers = b.pool;
    if (!status)
        status = find_plugins(&b);
    if (!status && !s->json)
        printf("%-16s %3s  %-11s %6s %9s %11s  %16s %6s\n", "simulator", "x", "sampler",
               "n", "effective", "evaluations", "C2ST", "z");
    for (; *names && !status; names++)
        status = run_simulator(&b, *names, failed);
    plugins_free(b.plugins);
    pool_free(b.pool);
    arena_free(b.memory);
    return status;
}

static int parse(int argc, char **argv, settings *s)
{
    static const struct option table[] = {{"samplers", required_argument, NULL, 's'},
                                          {"n", required_argument, NULL, 'n'},
                                          {"observations", required_argument, NULL, 'o'},
                                          {"seed", required_argument, NULL, 'r'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        int64_t value = 0;
        if (strchr("nort", c) && (!text_to_int(optarg, &value) || value < 1))
            return fail(NRE_EUSAGE, "'%s' is not a whole number above 0", optarg);
        switch (c) {
        case 's':
            s->samplers = optarg;
            break;
        case 'n':
            s->n = (size_t)value;
            break;
        case 'o':
            s->observations = (size_t)value;
            break;
        case 'r':
            s->seed = (uint64_t)value;
            break;
        case 't':
            s->threads = (unsigned)value;
            break;
        case 'j':
            s->json = 1;
            break;
        default:
            return fail(NRE_EUSAGE, "see the head of exact_samplers.c");
        }
    }
    return NRE_OK;
}

int main(int argc, char **argv)
{
    static const char *const all[] = {"gaussian_linear", "gaussian_mixture", "two_moons",
                                      "slcp", NULL};
    settings s = {.n = 10000, .observations = 1, .seed = 1, .threads = 2};
    bool failed = false;
    log_level(NRE_WARN);
    int status = parse(argc, argv, &s);
    if (!status)
        status = run_all(&s, optind < argc ? (const char *const *)(argv + optind) : all,
                         &failed);
    if (status)
        fprintf(stderr, "exact_samplers: %s\n", error_message());
    return status ? exit_code_of(status) : failed;
}
