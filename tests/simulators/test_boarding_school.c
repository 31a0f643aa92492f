#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { D = 6, CHANNELS = 2, DAYS = 14, N_X = CHANNELS * DAYS };
enum { BETA, D_INFECTIOUS, D_BED, D_CONVALESCENT, RHO, T_START };

/* Count of CHANNEL on DAY in each of N rows. */
static void column(size_t n, const float *x, int channel, int day, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (double)x[i * N_X + (size_t)(channel * DAYS + day)];
}

/* Boys ever infected, of N outbreaks: whoever went to bed stays there, and long ago it
 * ended. */
static void final_sizes(const subject *s, const char *purpose, double beta,
                        double d_infectious, size_t n, double *size)
{
    const double theta[D] = {beta, d_infectious, 1e9, 1, 1, 5000};
    float *x = memory_new(n * N_X, sizeof *x);
    subject_simulate(s, purpose, n, theta, x, NULL);
    column(n, x, 0, DAYS - 1, size);
    free(x);
}

static double z_of_share(size_t hits, size_t n, double p)
{
    return ((double)hits - (double)n * p) / sqrt((double)n * p * (1 - p));
}

/* what is told */

Test(boarding_school, describes_itself)
{
    static const char *const names[D] = {"beta",           "d_infectious", "d_bed",
                                         "d_convalescent", "rho",          "t_start"};
    static const double nominal[D] = {2.5, 1.2, 2.6, 1.8, 0.9, 4};
    subject s;
    double theta[D], r0;
    subject_open(&s, "boarding_school", NULL);
    cr_assert_eq(s.d, D);
    cr_assert_eq(s.n_x, N_X);
    simulator_nominal(s.simulator, theta);
    for (size_t k = 0; k < D; k++) {
        cr_assert_str_eq(simulator_names(s.simulator)[k], names[k]);
        cr_assert_float_eq(theta[k], nominal[k], 1e-15);
    }
    cr_assert_str_eq(simulator_derived(s.simulator, 0)->name, "R0");
    for (size_t k = D_BED; k < D; k++)
        theta[k] = NAN;
    cr_assert_eq(s.ops->derived(s.instance->self, 1, theta, &r0), 0);
    cr_assert_float_eq(r0, 3.0, 1e-15);
    theta[BETA] = NAN;
    cr_assert_eq(s.ops->derived(s.instance->self, 1, theta, &r0), 0);
    cr_assert(isnan(r0));
    subject_close(&s);
}

Test(boarding_school, prior_draws_are_counts_of_boys)
{
    enum { N = 3000 };
    subject s;
    subject_open(&s, "boarding_school", NULL);
    float *x = memory_new(N * N_X, sizeof *x);
    double *theta = memory_new(N * D, sizeof *theta);
    subject_draw(&s, "prior", N, NULL, theta, x);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < DAYS; k++) {
            float bed = x[i * N_X + k], convalescent = x[i * N_X + DAYS + k];
            cr_assert(bed >= 0 && convalescent >= 0 && bed + convalescent <= 763);
            cr_assert(bed == floorf(bed) && convalescent == floorf(convalescent));
        }
    free(theta);
    free(x);
    subject_close(&s);
}

Test(boarding_school, what_is_not_physical_is_invalid)
{
    static const double wrong[][D] = {
        {-1, 1, 1, 1, 1, 1},       {1, 0, 1, 1, 1, 1},    {1, 1, -1, 1, 1, 1},
        {1, 1, 1, 0, 1, 1},        {1, 1, 1, 1, 1.01, 1}, {1, 1, 1, 1, -0.1, 1},
        {1, 1, 1, 1, 1, INFINITY}, {NAN, 1, 1, 1, 1, 1},
    };
    subject s;
    float x[N_X];
    uint8_t status;
    subject_open(&s, "boarding_school", NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        subject_simulate(&s, "wrong", 1, wrong[i], x, &status);
        cr_assert_eq(status, NRE_ROW_INVALID, "theta %zu", i);
    }
    subject_close(&s);
}

Test(boarding_school, without_infection_there_is_one_case)
{
    enum { N = 500 };
    const double theta[D] = {0, 1.2, 2.6, 1.8, 1, 1};
    subject s;
    float x[N * N_X];
    subject_open(&s, "boarding_school", NULL);
    subject_simulate(&s, "one", N, theta, x, NULL);
    for (size_t i = 0; i < N; i++)
        for (size_t k = 0; k < DAYS; k++)
            cr_assert(x[i * N_X + k] + x[i * N_X + DAYS + k] <= 1);
    subject_close(&s);
}

/* stays: the chain of phases as an ODE */

enum { PHASES = 64 };

typedef struct chain {
    int stages[3]; /* of I, B, C */
    double population, beta, stay[3];
} chain;

/* y: susceptible, then the phases of I, B and C. */
static void slope_of(const chain *c, const double *y, double *dy)
{
    double infectious = 0;
    for (int k = 0; k < c->stages[0]; k++)
        infectious += y[1 + k];
    double flow = c->beta * y[0] * infectious / c->population;
    dy[0] = -flow;
    for (int part = 0, k = 1; part < 3; part++)
        for (int j = 0; j < c->stages[part]; j++, k++) {
            double out = y[k] * c->stages[part] / c->stay[part];
            dy[k] = flow - out;
            flow = out;
        }
}

/* Runge and Kutta's fourth order over STEP. */
static void advance(const chain *c, double *y, double step)
{
    double k1[PHASES], k2[PHASES], k3[PHASES], k4[PHASES], at[PHASES] = {0};
    int n = 1 + c->stages[0] + c->stages[1] + c->stages[2];
    slope_of(c, y, k1);
    for (int i = 0; i < n; i++)
        at[i] = y[i] + 0.5 * step * k1[i];
    slope_of(c, at, k2);
    for (int i = 0; i < n; i++)
        at[i] = y[i] + 0.5 * step * k2[i];
    slope_of(c, at, k3);
    for (int i = 0; i < n; i++)
        at[i] = y[i] + step * k3[i];
    slope_of(c, at, k4);
    for (int i = 0; i < n; i++)
        y[i] += step / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]);
}

/* In bed and convalescent, day by day. */
static void mean_field(const chain *c, double infectious, double t_start, double *x)
{
    enum { STEPS = 200 }; /* a day */
    double y[PHASES] = {c->population - infectious, infectious};
    for (int i = 0; i < STEPS; i++)
        advance(c, y, t_start / STEPS);
    for (int day = 0; day < DAYS; day++) {
        for (int part = 1, k = 1 + c->stages[0]; part < 3; part++) {
            x[(part - 1) * DAYS + day] = 0;
            for (int j = 0; j < c->stages[part]; j++, k++)
                x[(part - 1) * DAYS + day] += y[k];
        }
        for (int i = 0; i < STEPS; i++)
            advance(c, y, 1.0 / STEPS);
    }
}

/* A hundred boys who infect nobody: the mean is the ODE exactly. */
static void check_stays(const char *options, chain c)
{
    enum { N = 2000 };
    const double theta[D] = {0, 1.5, 2.6, 1.8, 0.7, 2};
    double mean[N_X];
    subject s;
    subject_open(&s, "boarding_school", options);
    float *x = memory_new(N * N_X, sizeof *x);
    c.population = 763;
    memcpy(c.stay, theta + D_INFECTIOUS, sizeof c.stay);
    mean_field(&c, 100, theta[T_START], mean);
    subject_simulate(&s, "stays", N, theta, x, NULL);
    for (int k = 0; k < N_X; k++) {
        size_t seen = 0;
        double p = theta[RHO] * mean[k] / 100;
        for (size_t i = 0; i < N; i++)
            seen += (size_t)x[i * N_X + (size_t)k];
        if (N * 100 * p < 20)
            continue;
        double z = z_of_share(seen, N * 100, p);
        cr_assert(fabs(z) < 4.5, "channel %d, day %d: %.2f errors", k / DAYS, k % DAYS,
                  z);
    }
    free(x);
    subject_close(&s);
}

Test(boarding_school, stays_are_erlang)
{
    check_stays("initial_infectious=100", (chain){.stages = {3, 4, 4}});
    check_stays(
        "initial_infectious=100 stages_infectious=1 stages_bed=1 stages_convalescent=1",
        (chain){.stages = {1, 1, 1}});
    check_stays(
        "initial_infectious=100 stages_infectious=2 stages_bed=5 stages_convalescent=20",
        (chain){.stages = {2, 5, 20}});
}

Test(boarding_school, a_large_school_follows_the_ode)
{
    enum { N = 40, POPULATION = 100000 };
    const double theta[D] = {3, 1, 2, 1.5, 0.8, 2};
    chain c = {.stages = {3, 4, 4}, .population = POPULATION, .beta = 3};
    double mean[N_X], peak[CHANNELS] = {0, 0};
    subject s;
    subject_open(&s, "boarding_school", "population=100000 initial_infectious=100");
    float *x = memory_new(N * N_X, sizeof *x);
    memcpy(c.stay, theta + D_INFECTIOUS, sizeof c.stay);
    mean_field(&c, 100, theta[T_START], mean);
    subject_simulate(&s, "large", N, theta, x, NULL);
    for (int k = 0; k < N_X; k++)
        peak[k / DAYS] = fmax(peak[k / DAYS], mean[k]);
    cr_assert(peak[0] > 0.3 * POPULATION);
    for (int k = 0; k < N_X; k++) {
        double v[N], sum = 0;
        column(N, x, k / DAYS, k % DAYS, v);
        for (size_t i = 0; i < N; i++)
            sum += v[i] / N;
        cr_assert_float_eq(sum / theta[RHO], mean[k], 0.03 * peak[k / DAYS],
                           "channel %d, day %d: %g is no %g", k / DAYS, k % DAYS,
                           sum / theta[RHO], mean[k]);
    }
    free(x);
    subject_close(&s);
}

/* how many are infected */

/* Gambler's ruin: the first boy infects nobody while he passes K phases. */
Test(boarding_school, ruin_of_the_first)
{
    enum { N = 20000 };
    static double size[N];
    for (int k = 1; k <= 3; k += 2) {
        double beta = 1.5, d = 1.2, rate = k / d, force = beta * 762 / 763;
        size_t alone = 0;
        subject s;
        subject_open(&s, "boarding_school",
                     k == 1 ? "stages_infectious=1" : "stages_infectious=3");
        final_sizes(&s, "ruin", beta, d, N, size);
        for (size_t i = 0; i < N; i++)
            alone += size[i] == 1;
        double z = z_of_share(alone, N, pow(rate / (rate + force), k));
        cr_assert(fabs(z) < 4.5, "%d phases: %.2f errors", k, z);
        subject_close(&s);
    }
}

/* Law of the final size with exponential stays: each event is an infection with
 * probability R0 s / (R0 s + N); P [n + 1] of the number ever infected. */
static void final_size_law(int n, double r0, double *p)
{
    double *at = memory_new((size_t)n + 2, sizeof *at); /* by the number infectious */
    at[1] = 1;
    for (int susceptible = n - 1; susceptible >= 0; susceptible--) {
        double up = r0 * susceptible / (r0 * susceptible + n);
        /* departures first: from the most infectious down to none */
        for (int i = n - susceptible; i > 0; i--)
            at[i - 1] += at[i] * (1 - up);
        p[n - susceptible] = at[0];
        at[0] = 0;
        for (int i = n - susceptible; i > 0; i--)
            at[i + 1] = at[i] * up;
        at[1] = 0;
    }
    free(at);
}

Test(boarding_school, final_size_of_the_markov_chain)
{
    enum { N = 20000, BOYS = 763 };
    static double size[N], p[BOYS + 1], large[N];
    double tail = 0, mean = 0;
    size_t n_large = 0, n_small = 0;
    subject s;
    subject_open(&s, "boarding_school", "stages_infectious=1");
    final_sizes(&s, "final", 1.6, 1.25, N, size);
    final_size_law(BOYS, 2.0, p);
    for (int k = 100; k <= BOYS; k++) {
        tail += p[k];
        mean += k * p[k];
    }
    mean /= tail;
    for (size_t i = 0; i < N; i++) {
        n_small += size[i] <= 5;
        if (size[i] >= 100)
            large[n_large++] = size[i];
    }
    cr_assert_float_eq(mean, 608,
                       5); /* z = 1 - exp(-2 z) of a large school: 0.7968 x 763 */
    cr_assert_float_eq(tail, 0.5, 0.01);
    cr_assert(fabs(z_of_share(n_large, N, tail)) < 4.5);
    cr_assert(fabs(z_of_share(n_small, N, p[1] + p[2] + p[3] + p[4] + p[5])) < 4.5);
    cr_assert(fabs(z_of_mean(n_large, large, mean)) < 4.5);
    subject_close(&s);
}

/* Ball (1986), theorem 2.1: for n susceptible and a infectious, with the Laplace
 * transform phi of the infectious period, sum over k <= j of C(n - k, j - k) P_k /
 * phi(beta (n - j) / N)^(k + a) is C(n, j). */
static double choose(int n, int k)
{
    return exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0));
}

Test(boarding_school, final_size_with_phases)
{
    enum { N = 20000, LEFT = 20, FIRST = 80, STAGES = 3 };
    static double size[N];
    const double beta = 0.8, d = 1.1, boys = LEFT + FIRST;
    double p[LEFT + 1], chi_square = 0;
    int degrees = -1;
    size_t seen[LEFT + 1] = {0};
    subject s;
    subject_open(&s, "boarding_school", "population=100 initial_infectious=80");
    final_sizes(&s, "phases", beta, d, N, size);
    for (int j = 0; j <= LEFT; j++) {
        double phi = pow(1 + beta * (LEFT - j) / boys * d / STAGES, -STAGES), sum = 0;
        for (int k = 0; k < j; k++)
            sum += choose(LEFT - k, j - k) * p[k] / pow(phi, k + FIRST);
        p[j] = (choose(LEFT, j) - sum) * pow(phi, j + FIRST);
    }
    for (size_t i = 0; i < N; i++)
        seen[(int)size[i] - FIRST]++;
    for (int j = 0; j <= LEFT; j++) {
        double expected = N * p[j];
        if (expected < 10)
            continue;
        chi_square +=
            ((double)seen[j] - expected) * ((double)seen[j] - expected) / expected;
        degrees++;
    }
    cr_assert(degrees > 8);
    cr_assert(z_of_chi_square(chi_square, degrees) < 4.5, "chi-square %g of %d",
              chi_square, degrees);
    subject_close(&s);
}

/* Boys in bed, summed over days, are rho d_bed for each boy ever infected. */
Test(boarding_school, bed_days)
{
    enum { N = 2000 };
    static double size[N], bed[N], convalescent[N];
    const double theta[D] = {6, 0.7, 1.6, 1.2, 0.75, 1.5};
    double attack = 0;
    subject s;
    subject_open(&s, "boarding_school", "initial_infectious=10");
    float *x = memory_new(N * N_X, sizeof *x);
    subject_simulate(&s, "days", N, theta, x, NULL);
    final_sizes(&s, "attack", theta[BETA], theta[D_INFECTIOUS], N, size);
    for (size_t i = 0; i < N; i++) {
        attack += size[i] / N;
        for (size_t day = 0; day < DAYS; day++) {
            bed[i] += (double)x[i * N_X + day] / N;
            convalescent[i] += (double)x[i * N_X + DAYS + day] / N;
        }
    }
    double sums[2] = {0, 0};
    for (size_t i = 0; i < N; i++) {
        sums[0] += bed[i];
        sums[1] += convalescent[i];
    }
    cr_assert_float_eq(sums[0] / (theta[RHO] * theta[D_BED] * attack), 1, 0.02);
    cr_assert_float_eq(sums[1] / (theta[RHO] * theta[D_CONVALESCENT] * attack), 1, 0.02);
    free(x);
    subject_close(&s);
}

/* the same law from Gillespie's algorithm, phase by phase */

typedef struct phases {
    int susceptible, count[3][8];
} phases;

/* Which of the 12 kinds of event: infection, or phase J of part I moves on. */
static void apply(phases *p, const chain *c, int part, int j)
{
    if (part < 0) {
        p->susceptible--;
        p->count[0][0]++;
        return;
    }
    p->count[part][j]--;
    if (j + 1 < c->stages[part])
        p->count[part][j + 1]++;
    else if (part < 2)
        p->count[part + 1][0]++;
}

static double rate_of(const phases *p, const chain *c, int part, int j)
{
    return p->count[part][j] * c->stages[part] / c->stay[part];
}

/* Time to the next event, which is done; INFINITY when there is none. */
static double step_gillespie(phases *p, const chain *c, rng *r)
{
    double infectious = 0, total = 0;
    for (int j = 0; j < c->stages[0]; j++)
        infectious += p->count[0][j];
    double infection = c->beta * p->susceptible * infectious / c->population;
    total = infection;
    for (int part = 0; part < 3; part++)
        for (int j = 0; j < c->stages[part]; j++)
            total += rate_of(p, c, part, j);
    if (total <= 0)
        return INFINITY;
    double wait = -log(rng_uniform(r)) / total, u = total * rng_uniform(r) - infection;
    int part = -1, j = 0;
    if (u > 0)
        for (part = 0; part < 3; part++) {
            for (j = 0; j < c->stages[part] && (u -= rate_of(p, c, part, j)) > 0; j++)
                continue;
            if (u <= 0)
                break;
        }
    if (part < 3)
        apply(p, c, part, j);
    return wait;
}

static void gillespie(const chain *c, double t_start, rng *r, double *x)
{
    phases p = {.susceptible = (int)c->population - 1, .count = {{1}}}, before = p;
    double t = -t_start;
    for (int day = 0; day < DAYS; day++) {
        for (; t <= day; t += step_gillespie(&p, c, r))
            before = p;
        for (int part = 1; part < 3; part++) {
            x[(part - 1) * DAYS + day] = 0;
            for (int j = 0; j < c->stages[part]; j++)
                x[(part - 1) * DAYS + day] += before.count[part][j];
        }
    }
}

Test(boarding_school, equals_gillespie)
{
    enum { N = 1500 };
    static double other[N][N_X], v[N], w[N];
    const double theta[D] = {2.5, 1.2, 2.6, 1.8, 1, 4};
    chain c = {
        .stages = {3, 4, 4}, .population = 763, .beta = 2.5, .stay = {1.2, 2.6, 1.8}};
    subject s;
    rng r;
    subject_open(&s, "boarding_school", NULL);
    float *x = memory_new(4 * N * N_X, sizeof *x);
    double *mine = memory_new(4 * N, sizeof *mine);
    subject_simulate(&s, "gillespie", 4 * N, theta, x, NULL);
    for (size_t i = 0; i < N; i++) {
        rng_start(&r, rng_purpose(1, "other"), i, 0);
        gillespie(&c, theta[T_START], &r, other[i]);
    }
    for (int k = 0; k < N_X; k++)
        for (int power = 1; power <= 2; power++) {
            column(4 * N, x, k / DAYS, k % DAYS, mine);
            for (size_t i = 0; i < 4 * N; i++)
                mine[i] = pow(mine[i], power);
            for (size_t i = 0; i < N; i++)
                v[i] = pow(other[i][k], power);
            double z = z_of_means(4 * N, mine, N, v);
            cr_assert(fabs(z) < 4.5, "channel %d, day %d, power %d: %.2f errors",
                      k / DAYS, k % DAYS, power, z);
        }
    /* and how neighbouring days go together */
    column(4 * N, x, 0, 6, mine);
    for (size_t i = 0; i < 4 * N; i++)
        mine[i] *= (double)x[i * N_X + DAYS + 7];
    for (size_t i = 0; i < N; i++)
        w[i] = other[i][6] * other[i][DAYS + 7];
    cr_assert(fabs(z_of_means(4 * N, mine, N, w)) < 4.5);
    free(mine);
    free(x);
    subject_close(&s);
}

/* condition: major */

Test(boarding_school, major_outbreaks_only)
{
    enum { N = 2000 };
    static double size[N], all[N], large[N];
    size_t n_large = 0;
    uint8_t status[N];
    float x[N_X];
    subject s, free_s;
    subject_open(&s, "boarding_school", "condition=major");
    subject_open(&free_s, "boarding_school", NULL);
    final_sizes(&s, "major", 2, 1.2, N, size);
    final_sizes(&free_s, "minor", 2, 1.2, N, all);
    for (size_t i = 0; i < N; i++) {
        cr_assert(size[i] >= 20);
        if (all[i] >= 20)
            large[n_large++] = all[i];
    }
    cr_assert(n_large > N / 4 && n_large < N);
    cr_assert(fabs(z_of_means(N, size, n_large, large)) < 4.5);
    subject_simulate(&s, "never", 1, (double[D]){0, 1, 1, 1, 1, 1}, x, status);
    cr_assert_eq(status[0], NRE_ROW_INVALID);
    subject_close(&free_s);
    subject_close(&s);
}

/* the outbreak of 1978 */

Test(boarding_school, reads_the_outbreak)
{
    float *x;
    double sum[CHANNELS] = {0, 0}, squares = 0;
    size_t n;
    subject s;
    subject_open(&s, "boarding_school", NULL);
    cr_assert_eq(observation_read(s.simulator, "influenza-1978.csv", &n, &x), 0, "%s",
                 error_message());
    cr_assert_eq(n, 1);
    for (size_t k = 0; k < N_X; k++)
        sum[k / DAYS] += (double)x[k];
    cr_assert_eq(sum[0], 1559);
    cr_assert_eq(sum[1], 937);
    cr_assert_eq(x[5], 298);
    cr_assert_eq(x[DAYS + 4], 9);
    /* least squares of the deterministic SIR model on those in bed, as published: 16.0 */
    const chain c = {
        .stages = {1, 0, 0}, .population = 763, .beta = 1.788, .stay = {1 / 0.456, 1, 1}};
    double y[PHASES] = {763 - 2.09, 2.09};
    for (int day = 0; day < DAYS; day++) {
        squares += (y[1] - (double)x[day]) * (y[1] - (double)x[day]);
        for (int i = 0; i < 100; i++)
            advance(&c, y, 0.01);
    }
    cr_assert_float_eq(sqrt(squares / DAYS), 16.0, 0.1, "%g", sqrt(squares / DAYS));
    free(x);
    subject_close(&s);
}

static int read_text(const subject *s, const char *text, float **x)
{
    char path[] = "/tmp/nereid-school-XXXXXX.csv";
    size_t n;
    int file = mkstemps(path, 4);
    cr_assert(file >= 0);
    cr_assert_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    close(file);
    int status = observation_read(s->simulator, path, &n, x);
    unlink(path);
    return status;
}

#define DAY_LINES                                                                        \
    "3,0\n8,0\n26,0\n76,0\n225,9\n298,17\n258,105\n233,162\n189,176\n128,166\n68,"       \
    "150\n29,85\n14,47\n"

Test(boarding_school, says_what_is_wrong_with_a_file)
{
    static const struct {
        const char *text, *words;
    } wrong[] = {
        {"", ":0: no header"},
        {"in_bed,sick\n3,0\n", ":1: no column 'convalescent'"},
        {"# a note\nin_bed,convalescent\n3,0\n8\n",
         ":4: 1 columns, but the header has 2"},
        {"in_bed,convalescent\n3,0\n8,x\n", ":3: convalescent is 'x'"},
        {"in_bed,convalescent\n3,0\n8.5,1\n", ":3: in_bed is '8.5'"},
        {"in_bed,convalescent\n3,-1\n", ":2: convalescent is '-1'"},
        {"in_bed,convalescent\n764,0\n", ":2: in_bed is '764'"},
        {"in_bed,convalescent\n99999999999999999999,0\n", ":2: in_bed is '9999"},
        {"in_bed,convalescent\n" DAY_LINES, ":14: ends after 13 days"},
        {"in_bed,convalescent\n" DAY_LINES "4,20\n1,1\n", ":16: more than 14 days"},
        {"day,in_bed,convalescent\n0,3,0\n2,8,0\n", ":3: day 2 where day 1"},
        {"a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q\n", ":1: more than 16 columns"},
    };
    subject s;
    float *x;
    subject_open(&s, "boarding_school", NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        cr_assert_eq(read_text(&s, wrong[i].text, &x), NRE_EDATA, "file %zu", i);
        cr_assert(message_has(wrong[i].words));
    }
    /* columns in any order, blanks, a comment at the end of a line, DOS lines */
    cr_assert_eq(
        read_text(&s,
                  "convalescent, in_bed\r\n0, 3 # first\r\n1,1\n2,2\n3,3\n4,4\n5,5\n"
                  "6,6\n7,7\n8,8\n9,9\n10,10\n11,11\n12,12\n20,4",
                  &x),
        0, "%s", error_message());
    cr_assert_eq(x[0], 3);
    cr_assert_eq(x[13], 4);
    cr_assert_eq(x[DAYS + 13], 20);
    free(x);
    subject_close(&s);
}
