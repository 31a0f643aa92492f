/* power.c - which diagnostic notices which wrong ratio, and how often; and how often a right one alarms it.
 *
 *   power [SIMULATOR ...] [--pairs 1000] [--repeats 50] [--alarms 150] [--seconds 600]
 *         [--only coverage,sbc] [--without likelihood] [--wrong narrow,wide]
 *         [--seed 1] [--threads 2] [--json]
 *
 * Ratios are made of the simulator's own likelihood (tests/diagnose/wrong.h).  A repeat is a fresh test
 * set and a fresh observation, the same for all ratios.  A diagnostic is said to notice when its finding
 * fails; tests/diagnose/judges.h has what stands for those without a finding of their own.
 * Exit code 1 when one that must notice does so in fewer than nine of ten repeats, or when a right ratio
 * alarms one more often than its level explains (chance below 1%). */
#include "judges.h"
#include "wrong.h"

#include <getopt.h>
#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    DIM_MOST = 5,
    AREAS = 100,      /* test rows of the area */
    TRAIN = 2000,     /* rows behind the predictive check */
    CANDIDATES = 200, /* observations, of which the first in the region is taken */
    MEASURES_MOST = 32,
    DIAGNOSTICS_MOST = 32
};
static const double LEVELS[] = {0.68, 0.95, 0.997};
enum { N_LEVELS = sizeof LEVELS / sizeof LEVELS[0] };

typedef struct settings {
    uint64_t pairs, repeats, seed; /* 0: the problem's own */
    double seconds;                /* after which no further repeat begins */
    uint64_t alarms;               /* further repeats of the right ratio alone */
    unsigned threads;
    const char *only, *without, *wrong; /* lists; NULL: all, none, all */
    bool json;
} settings;

/* problems */

static double log_normal(double away, double deviation)
{
    return -0.5 * away * away / (deviation * deviation) - log(deviation);
}

/* The first half of gaussian_linear's values. */
static const double VARIANCE = 0.1; /* of its prior, and of its noise */
static double linear_part(uint32_t dim, const double *theta, const float *x)
{
    double sum = 0;
    for (uint32_t k = 0; k < dim / 2; k++)
        sum -= 0.5 * pow((double)x[k] - theta[k], 2) / VARIANCE;
    return sum;
}

static double mixture_part(uint32_t dim, const double *theta, const float *x)
{
    double away = (double)x[0] - theta[0];
    (void)dim;
    double wide = log_normal(away, 1), narrow = log_normal(away, 0.1);
    double top = fmax(wide, narrow);
    return top + log(exp(wide - top) + exp(narrow - top));
}

/* Two of slcp's four points. */
static double slcp_part(uint32_t dim, const double *theta, const float *x)
{
    const double epsilon = 1e-6, rho = tanh(theta[4]);
    double s1 = theta[2] * theta[2], s2 = theta[3] * theta[3], sum = 0;
    double a = s1 * s1 + epsilon, b = rho * s1 * s2, c = s2 * s2 + epsilon;
    double determinant = fmax(a * c - b * b, 1e-300);
    (void)dim;
    for (size_t k = 0; k < 2; k++) {
        double u = (double)x[2 * k] - theta[0], v = (double)x[2 * k + 1] - theta[1];
        sum -= 0.5 * (c * u * u - 2 * b * u * v + a * v * v) / determinant +
               0.5 * log(determinant);
    }
    return sum;
}

typedef struct problem {
    const char *simulator, *option[2]; /* name and value */
    const char *title;
    uint64_t pairs, repeats;
    double shift[DIM_MOST]; /* of each parameter */
    double (*part)(uint32_t dim, const double *theta, const float *x);
} problem;
/* Shifts are a posterior deviation for gaussian_linear (whose prior takes half of it back), that of its narrow
 * part for gaussian_mixture, the width of a crescent for two_moons, about a third of one for slcp. */
static const problem PROBLEMS[] = {
    {"gaussian_linear",
     {"dim", "2"},
     "gaussian_linear, two parameters",
     1000,
     20,
     {0.224, 0.224},
     linear_part},
    {"gaussian_mixture", {NULL}, "gaussian_mixture", 400, 10, {0.1, 0.1}, mixture_part},
    {"two_moons", {NULL}, "two_moons", 200, 10, {0.01, 0.01}, NULL},
    {"slcp", {NULL}, "slcp", 100, 5, {0.2, 0.2}, slcp_part},
};
enum { N_PROBLEMS = sizeof PROBLEMS / sizeof PROBLEMS[0] };

/* a simulator, and what is drawn of it */

typedef struct count {
    uint64_t noticed, assessed;
} count;

typedef struct bench {
    const settings *settings;
    const problem *problem;
    arena *memory;
    plugins *plugins;
    pool *pool;
    host_services services;
    instance *instance;
    simulator *simulator;
    target target;
    scaling *scaling;
    loader *train, *test;
    double *theta;            /* [n][dim] */
    float *x, *train_x, *odd; /* [n][n_x], [TRAIN][n_x], [n_x] */
    float *observed,
        *fair; /* [n_x] in the region of the local ratio; any draw of the prior */
    uint64_t n;
    size_t n_x;
    double below, tilt; /* of x[0] */
    double *exact_gain; /* [n] of this repeat */
    count of[DIAGNOSTICS_MOST][N_WAYS];
    double seconds[DIAGNOSTICS_MOST];
} bench;

/* A ratio under judgement. */
typedef struct trial {
    bench *b;
    wrong_way way;
    posterior posterior;
    subject subject;
    coverage_result coverage;
} trial;

/* judges without a finding of their own */

static int judge_coverage(trial *t, outcome *out)
{
    *out = coverage_notices(&t->coverage);
    return NRE_OK;
}

static int judge_area(trial *t, outcome *out)
{
    return area_notices(&t->subject, AREAS, out);
}

static int judge_gain(trial *t, outcome *out)
{
    *out = gain_notices(&t->coverage);
    return NRE_OK;
}

/* The right ratio comes first: it is what others are compared with. */
static int judge_gain_beside(trial *t, outcome *out)
{
    const pair_standing *p = t->subject.pairs->standing;
    for (uint64_t i = 0; i < t->b->n && t->way == RIGHT; i++)
        t->b->exact_gain[i] = p[i].missing ? NAN : p[i].gain;
    *out = t->way == RIGHT ? UNKNOWN
                           : gain_notices_beside(t->subject.pairs, t->b->exact_gain);
    return NRE_OK;
}

/* An observation of the region lies at the edge of the simulations, which alarms more often than a level says. */
static int judge_predictive(trial *t, outcome *out)
{
    subject s = t->subject;
    if (t->way != ODD)
        s.observed = t->b->fair;
    return predictive_notices(&s, t->b->train, t->b->scaling, out);
}

typedef struct judge {
    const char *name;
    int (*judge)(trial *t, outcome *out);
    bool observes;
} judge;
static const judge JUDGES[] = {
    {"coverage", judge_coverage, false},
    {"area", judge_area, false},
    {"gain", judge_gain, false},
    {"gain beside exact", judge_gain_beside, false},
    {"predictive", judge_predictive, true},
};
enum { N_JUDGES = sizeof JUDGES / sizeof JUDGES[0] };

/* those of the list */

static bool is_listed(const char *list, const char *name)
{
    char copy[512], *rest = NULL;
    if (!list)
        return true;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *s = strtok_r(copy, ",", &rest); s; s = strtok_r(NULL, ",", &rest))
        if (!strcmp(s, name))
            return true;
    return false;
}

static bool is_wanted(const void *context, const char *name)
{
    const settings *s = context;
    return is_listed(s->only, name) && !(s->without && is_listed(s->without, name));
}

static int judge_listed(trial *t, const diagnostic *d, outcome *out)
{
    diagnostic_options how = {.n = t->b->n, .n_levels = N_LEVELS, .levels = LEVELS};
    return listed_notices(d, &t->subject, &how, out);
}

static const char *name_of(size_t i)
{
    return i < N_JUDGES ? JUDGES[i].name : DIAGNOSTICS[i - N_JUDGES]->name;
}

static size_t n_names(void)
{
    size_t n = N_JUDGES + N_DIAGNOSTICS;
    return n < DIAGNOSTICS_MOST ? n : DIAGNOSTICS_MOST;
}

static bool observes(size_t i)
{
    return i < N_JUDGES ? JUDGES[i].observes : DIAGNOSTICS[i - N_JUDGES]->observes;
}

/* An odd observation is the right ratio's, so that others have nothing new to say. */
static bool is_asked(const trial *t, size_t i)
{
    return is_wanted(t->b->settings, name_of(i)) && (t->way != ODD || observes(i));
}

static double time_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_now(void)
{
    return time_of(CLOCK_PROCESS_CPUTIME_ID);
}

static double wall_now(void)
{
    return time_of(CLOCK_MONOTONIC);
}

static int judge_all(trial *t)
{
    int status = NRE_OK;
    for (size_t i = 0; i < n_names() && !status; i++) {
        outcome o = UNKNOWN;
        double start = seconds_now();
        if (!is_asked(t, i))
            continue;
        status = i < N_JUDGES ? JUDGES[i].judge(t, &o)
                              : judge_listed(t, DIAGNOSTICS[i - N_JUDGES], &o);
        t->b->seconds[i] += seconds_now() - start;
        t->b->of[i][t->way].assessed += o != UNKNOWN;
        t->b->of[i][t->way].noticed += o == NOTICES;
    }
    return status;
}

/* a trial */

static int make_ratio(const bench *b, wrong_way way, ratio **out)
{
    wrong_plan how = {.power = way == NARROW  ? 1.5
                               : way == WIDE  ? 0.6
                               : way == LOCAL ? 3
                                              : 1,
                      .below = way == LOCAL ? b->below : INFINITY,
                      .tilt = way == UNNORMALISED ? b->tilt : 0,
                      .shift = way == SHIFTED ? b->problem->shift : NULL,
                      .part = way == BLIND ? b->problem->part : NULL,
                      .prior = b->problem->part == linear_part ? VARIANCE : 0,
                      .noise = b->problem->part == linear_part ? VARIANCE : 0};
    if (way == PRIOR)
        return ratio_prior(&b->target, b->n_x, out);
    ratio *right = NULL;
    int status = ratio_exact(b->simulator, &b->target, &right);
    *out = right;
    if (status || way == RIGHT || way == ODD)
        return status;
    status = ratio_wrong(right, &how, out);
    if (status)
        ratio_free(right);
    return status;
}

static int trial_judge(trial *t)
{
    const bench *b = t->b;
    const measure *measures[MEASURES_MOST];
    pairs_plan wanted = {
        .n = b->n,
        .n_measures = listed_measures(is_wanted, b->settings, MEASURES_MOST, measures),
        .measures = measures};
    coverage_request q = {.n_levels = N_LEVELS,
                          .levels = LEVELS,
                          .regions = COVERAGE_CREDIBLE,
                          .observables = b->n,
                          .repeats = 1};
    pair_set *pairs = NULL;
    int status = pairs_of(&t->subject, &wanted, &pairs);
    t->subject.pairs = pairs;
    if (!status)
        status = coverage_of(&t->subject, &q, &t->coverage);
    if (!status)
        status = judge_all(t);
    coverage_release(&t->coverage);
    pairs_free(pairs);
    return status;
}

static int try_way(bench *b, wrong_way way, uint64_t repeat)
{
    ratio *r = NULL;
    int status = make_ratio(b, way, &r);
    if (status)
        return status;
    trial t = {.b = b, .way = way, .posterior = {.ratio = r}};
    t.subject = (subject){.posterior = &t.posterior,
                          .test = b->test,
                          .seed = b->settings->seed + 1000 * repeat,
                          .pool = b->pool,
                          .simulator = b->simulator,
                          .n_observed = 1,
                          .observed = way == ODD ? b->odd : b->observed};
    status = trial_judge(&t);
    ratio_free(r);
    return status ? fail_within(status, "%s, %s", b->problem->title, WAY_NAMES[way])
                  : NRE_OK;
}

/* data */

static int draw_rows_of(const bench *b, const char *purpose, uint64_t seed, size_t n,
                        double *theta, float *x)
{
    tally unused = {0};
    draw d = {.seed = seed, .purpose = purpose, .n = n};
    return simulator_draw(b->simulator, b->pool, NULL, &d, theta, x, NULL, &unused, NULL);
}

/* The lowest tenth of x[0], and its deviation. */
static void lay_region(bench *b)
{
    double value[TRAIN], mean = 0, square = 0;
    for (size_t i = 0; i < TRAIN; i++) {
        value[i] = (double)b->train_x[i * b->n_x];
        mean += value[i] / TRAIN;
        square += value[i] * value[i] / TRAIN;
    }
    qsort(value, TRAIN, sizeof *value, compare_reals);
    b->below = value[TRAIN / 10];
    b->tilt = 0.3 / sqrt(square - mean * mean);
}

/* The observation lies in the region where the local ratio is wrong; the odd one is ten deviations of x[0]
 * away from it. */
static int draw_observation(bench *b, uint64_t seed)
{
    float *x = memory_new(CANDIDATES, b->n_x * sizeof *x);
    int status = x ? draw_rows_of(b, "observation", seed, CANDIDATES, NULL, x)
                   : fail(NRE_ENOMEM, "no memory for an observation");
    size_t i = 0;
    while (!status && i + 1 < CANDIDATES && !((double)x[i * b->n_x] < b->below))
        i++;
    if (!status) {
        memcpy(b->fair, x, b->n_x * sizeof *x);
        memcpy(b->observed, x + i * b->n_x, b->n_x * sizeof *x);
        memcpy(b->odd, b->observed, b->n_x * sizeof *x);
        b->odd[b->n_x - 1] += (float)(3 / b->tilt);
    }
    free(x);
    return status;
}

static int repeat(bench *b, uint64_t k, bool right_alone)
{
    uint64_t seed = b->settings->seed + 1000 * k;
    int status = draw_rows_of(b, "test", seed, (size_t)b->n, b->theta, b->x);
    if (!status)
        status = draw_observation(b, seed);
    for (wrong_way way = RIGHT; way < N_WAYS && !status; way++)
        if (way == RIGHT ||
            (!right_alone && is_listed(b->settings->wrong, WAY_NAMES[way]) &&
             (way != BLIND || b->problem->part)))
            status = try_way(b, way, k);
    return status;
}

/* set-up */

static int open_simulator(bench *b)
{
    const problem *p = b->problem;
    const plugin *found;
    nre_values *values;
    int status = plugin_load(b->plugins, NRE_SIMULATOR, p->simulator, &found);
    if (!status)
        status = values_new(found, b->memory, &values);
    if (!status && p->option[0])
        status = values_set(values, p->option[0], false, 1, &p->option[1]);
    if (!status)
        status = instance_new(found, values, &b->services, &b->instance);
    if (!status)
        status = simulator_open(b->instance, 0, NULL, &b->simulator);
    if (!status)
        status = simulator_prepare(b->simulator);
    if (!status)
        status = target_of(b->simulator, b->memory, true, 0, NULL, &b->target);
    b->n_x = status ? 0 : simulator_n_x(b->simulator);
    return status;
}

static int open_data(bench *b)
{
    arena *a = b->memory;
    size_t n = (size_t)b->n, d = b->target.n;
    b->theta = arena_alloc(a, n * d, sizeof *b->theta);
    b->x = arena_alloc(a, n * b->n_x, sizeof *b->x);
    b->train_x = arena_alloc(a, TRAIN * b->n_x, sizeof *b->train_x);
    b->observed = arena_alloc(a, b->n_x, sizeof *b->observed);
    b->fair = arena_alloc(a, b->n_x, sizeof *b->fair);
    b->odd = arena_alloc(a, b->n_x, sizeof *b->odd);
    b->exact_gain = arena_alloc(a, n, sizeof *b->exact_gain);
    double *train_theta = arena_alloc(a, TRAIN * d, sizeof *train_theta);
    if (!b->theta || !b->x || !b->train_x || !b->observed || !b->fair || !b->odd ||
        !b->exact_gain || !train_theta)
        return fail(NRE_ENOMEM, "no memory for test pairs");
    int status =
        draw_rows_of(b, "train", b->settings->seed, TRAIN, train_theta, b->train_x);
    if (!status)
        status = loader_of_arrays(TRAIN, d, b->n_x, train_theta, b->train_x, &b->train);
    if (!status)
        status = loader_of_arrays(b->n, d, b->n_x, b->theta, b->x, &b->test);
    if (!status)
        status = scaling_fit(b->simulator, b->train, true, b->pool, &b->scaling);
    if (!status)
        lay_region(b);
    return status;
}

static void bench_close(bench *b)
{
    scaling_free(b->scaling);
    loader_free(b->train);
    loader_free(b->test);
    simulator_close(b->simulator);
    instance_free(b->instance);
}

/* the table */

static double share_of(const count *c)
{
    return c->assessed > 0 ? (double)c->noticed / (double)c->assessed : NAN;
}

/* Chance of K of N or more at the level, three tries of it for the three levels of coverage. */
static bool alarms_too_often(size_t i, const count *c)
{
    double level = FINDING_LEVEL * (strcmp(name_of(i), "coverage") == 0 ? 3 : 1);
    return c->noticed > 0 && gsl_cdf_binomial_Q((unsigned)c->noticed - 1, level,
                                                (unsigned)c->assessed) < 0.01;
}

static void print_cell(const bench *b, size_t i, wrong_way way)
{
    const count *c = &b->of[i][way];
    const char *mark = must_notice(b->problem->simulator, name_of(i), way) ? "**" : "";
    if (c->assessed == 0)
        printf(" |");
    else
        printf(" %s%llu/%llu%s |", mark, (unsigned long long)c->noticed,
               (unsigned long long)c->assessed, mark);
}

static void print_table(const bench *b)
{
    printf("\n%s: %llu test pairs a repeat\n\n| diagnostic |", b->problem->title,
           (unsigned long long)b->n);
    for (wrong_way way = RIGHT; way < N_WAYS; way++)
        printf(" %s |", WAY_NAMES[way]);
    printf("\n| :--- |");
    for (wrong_way way = RIGHT; way < N_WAYS; way++)
        printf(" ---: |");
    for (size_t i = 0; i < n_names(); i++) {
        if (!is_wanted(b->settings, name_of(i)))
            continue;
        printf("\n| %s |", name_of(i));
        for (wrong_way way = RIGHT; way < N_WAYS; way++)
            print_cell(b, i, way);
    }
    printf("\n");
}

static void print_json(const bench *b)
{
    for (size_t i = 0; i < n_names(); i++)
        for (wrong_way way = RIGHT; way < N_WAYS; way++) {
            const count *c = &b->of[i][way];
            if (c->assessed > 0)
                printf("{\"bench\": \"power\", \"case\": \"%s/%s/%s\", \"metric\": "
                       "\"%s\", \"value\": %.4f, \"noticed\": %llu, \"repeats\": %llu, "
                       "\"pairs\": %llu, \"must\": %s}\n",
                       b->problem->simulator, WAY_NAMES[way], name_of(i),
                       way == RIGHT ? "false_alarm" : "power", share_of(c),
                       (unsigned long long)c->noticed, (unsigned long long)c->assessed,
                       (unsigned long long)b->n,
                       must_notice(b->problem->simulator, name_of(i), way) ? "true"
                                                                           : "false");
        }
}

/* What is not as it must be, one a line. */
static bool complain(const bench *b)
{
    bool any = false;
    for (size_t i = 0; i < n_names(); i++)
        for (wrong_way way = RIGHT; way < N_WAYS; way++) {
            const count *c = &b->of[i][way];
            bool deaf = way != RIGHT && c->assessed > 0 &&
                        must_notice(b->problem->simulator, name_of(i), way) &&
                        share_of(c) < 0.9;
            bool jumpy = way == RIGHT && alarms_too_often(i, c);
            any |= deaf || jumpy;
            if (deaf || jumpy)
                fprintf(stderr, "%s: %s %s %llu of %llu '%s'\n", b->problem->simulator,
                        name_of(i), deaf ? "notices only" : "alarms at",
                        (unsigned long long)c->noticed, (unsigned long long)c->assessed,
                        WAY_NAMES[way]);
        }
    return any;
}

static int run_problem(const bench *common, const problem *p, bool *failed)
{
    bench b = *common;
    const settings *s = b.settings;
    uint64_t repeats = s->repeats ? s->repeats : p->repeats;
    double start = wall_now();
    b.problem = p;
    b.n = s->pairs ? s->pairs : p->pairs;
    int status = open_simulator(&b);
    if (!status)
        status = open_data(&b);
    for (uint64_t k = 0;
         k < repeats + s->alarms && !status && wall_now() - start < s->seconds; k++)
        status = repeat(&b, k, k >= repeats);
    if (!status) {
        if (s->json)
            print_json(&b);
        else
            print_table(&b);
        *failed |= complain(&b);
        for (size_t i = 0; i < n_names(); i++)
            if (b.seconds[i] > 0)
                fprintf(stderr, "%s: %s: %.1f s of CPU\n", p->simulator, name_of(i),
                        b.seconds[i]);
    }
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

static bool is_asked_for(int n, char **names, const char *name)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(names[i], name))
            return true;
    return n == 0;
}

static int run_all(const settings *s, int n, char **names, bool *failed)
{
    bench b = {.settings = s, .memory = arena_new()};
    int status = b.memory ? blas_start() : fail(NRE_ENOMEM, "no memory");
    if (!status)
        status = pool_new(s->threads, &b.pool);
    b.services.workers = b.pool;
    if (!status)
        status = find_plugins(&b);
    for (size_t i = 0; i < N_PROBLEMS && !status; i++)
        if (is_asked_for(n, names, PROBLEMS[i].simulator))
            status = run_problem(&b, &PROBLEMS[i], failed);
    plugins_free(b.plugins);
    pool_free(b.pool);
    arena_free(b.memory);
    return status;
}

static int parse(int argc, char **argv, settings *s)
{
    static const struct option table[] = {{"pairs", required_argument, NULL, 'p'},
                                          {"repeats", required_argument, NULL, 'n'},
                                          {"alarms", required_argument, NULL, 'a'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"without", required_argument, NULL, 'x'},
                                          {"wrong", required_argument, NULL, 'w'},
                                          {"seed", required_argument, NULL, 'r'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"json", no_argument, NULL, 'j'},
                                          {NULL, 0, NULL, 0}};
    for (int c; (c = getopt_long(argc, argv, "", table, NULL)) != -1;) {
        int64_t value = 0;
        if (strchr("pnarst", c) && (!text_to_int(optarg, &value) || value < 1))
            return fail(NRE_EUSAGE, "'%s' is not a whole number above 0", optarg);
        switch (c) {
        case 'p':
            s->pairs = (uint64_t)value;
            break;
        case 'n':
            s->repeats = (uint64_t)value;
            break;
        case 'a':
            s->alarms = (uint64_t)value;
            break;
        case 's':
            s->seconds = (double)value;
            break;
        case 'o':
            s->only = optarg;
            break;
        case 'x':
            s->without = optarg;
            break;
        case 'w':
            s->wrong = optarg;
            break;
        case 'r':
            s->seed = (uint64_t)value;
            break;
        case 't':
            s->threads = (unsigned)value;
            break;
        case 'j':
            s->json = true;
            break;
        default:
            return fail(NRE_EUSAGE, "see the head of power.c");
        }
    }
    return NRE_OK;
}

int main(int argc, char **argv)
{
    settings s = {.seed = 1, .threads = 2, .seconds = INFINITY};
    bool failed = false;
    log_level(NRE_WARN);
    int status = parse(argc, argv, &s);
    if (!status)
        status = run_all(&s, argc - optind, argv + optind, &failed);
    if (status)
        fprintf(stderr, "power: %s\n", error_message());
    return status ? exit_code_of(status) : failed;
}
