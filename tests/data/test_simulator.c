/* A simulator's description: read, checked, overridden. */
#include "support.h"

#include <math.h>
#include <string.h>

Test(simulator, opens)
{
    simulator *s = mock_open(false);
    double theta[2];
    char name[32];
    cr_assert_eq(simulator_n_theta(s), 2);
    cr_assert_eq(simulator_n_x(s), 5);
    cr_assert_not(simulator_has_noise(s));
    cr_assert_str_eq(simulator_names(s)[1], "b");
    cr_assert_str_eq(simulator_field(s, 1)->name, "count");
    simulator_nominal(s, theta);
    cr_assert_eq(theta[0], 0.25);
    cr_assert_eq(theta[1], 0, "no nominal value: the median");
    x_name(s, 3, sizeof name, name);
    cr_assert_str_eq(name, "curve[3]");
    x_name(s, 4, sizeof name, name);
    cr_assert_str_eq(name, "count");
    simulator_close(s);
    simulator_close(NULL);
}

Test(simulator, prior_is_overridden)
{
    simulator *s;
    const marginal other = {.name = "a", .family = NRE_UNIFORM, .a = 3, .b = 5};
    double theta[2];
    cr_assert_eq(simulator_open(mock_instance(false), 1, &other, &s), 0, "%s",
                 error_message());
    cr_assert_eq(simulator_prior(s)->of[0].b, 5);
    simulator_nominal(s, theta);
    cr_assert_float_eq(theta[0], 4, 1e-15, "the nominal value lies outside: the median");
    simulator_close(s);
}

Test(simulator, bad_overrides_are_refused)
{
    simulator *s;
    const marginal unknown = {.name = "aa", .family = NRE_UNIFORM, .a = 3, .b = 5};
    const marginal empty = {.name = "a", .family = NRE_UNIFORM, .a = 5, .b = 3};
    cr_assert_eq(simulator_open(mock_instance(false), 1, &unknown, &s), NRE_ECONFIG);
    cr_assert(message_has("no parameter 'aa'"));
    cr_assert_null(s);
    cr_assert_eq(simulator_open(mock_instance(false), 1, &empty, &s), NRE_ECONFIG);
    cr_assert(message_has("prior of a"));
}

/* descriptions that make no sense */

static nre_theta theta[2];
static nre_field field;
static nre_simulator_info answer;

static int tell(const void *self, nre_simulator_info *out)
{
    (void)self;
    *out = answer;
    return 0;
}

static int idle(const void *self, void *work, nre_batch *b)
{
    (void)self, (void)work, (void)b;
    return 0;
}

static nre_simulator_ops ops = {
    .struct_size = sizeof ops, .info = tell, .simulate = idle};
static const nre_plugin table = {NRE_PLUGIN_HEAD(NRE_SIMULATOR), .name = "odd",
                                 .ops.simulator = &ops};
static const plugin file = {.table = &table};
static const instance odd = {.plugin = &file};

static void sound(void)
{
    theta[0] = (nre_theta){.name = "p", .prior = NRE_UNIFORM, .a = 0, .b = 1};
    theta[1] = (nre_theta){.name = "q", .prior = NRE_UNIFORM, .a = 0, .b = 1};
    field = (nre_field){.name = "f", .shape = {1, {3}}};
    answer = (nre_simulator_info){sizeof answer, 2, sizeof(nre_theta),
                                  theta,         1, sizeof(nre_field),
                                  &field,        0, NULL};
}

static void refused(const char *words)
{
    simulator *s;
    cr_assert_eq(simulator_open(&odd, 0, NULL, &s), NRE_EPLUGIN, "%s", words);
    cr_assert(message_has(words));
    cr_assert(message_has("simulator 'odd'"));
    cr_assert_null(s);
    sound();
}

Test(simulator, senseless_descriptions_are_refused)
{
    simulator *s;
    sound();
    cr_assert_eq(simulator_open(&odd, 0, NULL, &s), 0, "%s", error_message());
    simulator_close(s);
    answer.n_theta = 0, refused("0 parameters");
    answer.theta = NULL, refused("parameters");
    answer.fields = NULL, refused("fields");
    answer.theta_size = 8, refused("theta_size");
    answer.n_derived = 1, refused("derived");
    theta[1].name = "p", refused("two parameters are called 'p'");
    theta[1].name = "q 1", refused("'q 1'");
    theta[1].name = NULL, refused("no name");
    theta[1].b = -1, refused("prior of q");
    theta[1].prior = 77, refused("unknown family");
    field.name = "f/g", refused("field 0");
    field.shape.rank = 5, refused("rank 5");
    field.shape.dim[0] = 0, refused("a row of x");
    field.shape = (nre_shape){4, {65536, 65536, 65536, 65536}}, refused("a row of x");
    field.scale = 9, refused("scale 9");
    theta[0].prior = NRE_CUSTOM_PRIOR, refused("prior_sample");
}

/* a joint prior: p ~ N(0, 1), q = p + N(0, 1) */

static int joint_sample(const void *self, size_t n, nre_rng *const *stream, double *t)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        t[2 * i] = stream[i]->normal(stream[i]);
        t[2 * i + 1] = t[2 * i] + stream[i]->normal(stream[i]);
    }
    return 0;
}

static int joint_density(const void *self, size_t n, const double *t, double *log_p,
                         double *grad)
{
    (void)self;
    for (size_t i = 0; i < n; i++) {
        double p = t[2 * i], r = t[2 * i + 1] - p;
        log_p[i] = -0.5 * (p * p + r * r) - 1.8378770664093453;
        if (grad)
            grad[2 * i] = -p + r, grad[2 * i + 1] = -r;
    }
    return 0;
}

Test(simulator, joint_prior)
{
    enum { N = 200 };
    simulator *s;
    const uint32_t swapped[] = {1, 0}, one[] = {1};
    double t[2 * N], z[2] = {0.5, 2}, log_p, grad[2], again[2];
    sound();
    theta[0] = (nre_theta){.name = "p", .prior = NRE_CUSTOM_PRIOR};
    theta[1] = (nre_theta){.name = "q", .prior = NRE_CUSTOM_PRIOR};
    ops.prior_sample = joint_sample, ops.prior_logpdf = joint_density;
    cr_assert_eq(simulator_open(&odd, 0, NULL, &s), 0, "%s", error_message());
    const prior *p = simulator_prior(s);
    cr_assert_eq(prior_sample(p, rng_purpose(1, "t"), 0, 0, N, t), 0);
    cr_assert_eq(prior_sample(p, rng_purpose(1, "t"), 150, 0, 1, again), 0);
    cr_assert_arr_eq(again, t + 300, sizeof again);
    cr_assert_eq(prior_log_density(p, 2, swapped, 1, z, &log_p, grad), 0);
    cr_assert_float_eq(log_p, -0.5 * (4 + 2.25) - 1.8378770664093453, 1e-14);
    cr_assert_float_eq(grad[0], 1.5, 1e-15);
    cr_assert_float_eq(grad[1], -3.5, 1e-15);
    cr_assert_eq(prior_log_density(p, 1, one, 1, z, &log_p, NULL), NRE_ENOTSUP);
    /* deviations are measured on 4096 draws: standard error of a deviation s / sqrt(2 n)
     */
    cr_assert_lt(fabs(p->of[0].facts.deviation - 1) * sqrt(2 * 4096), 4.5);
    cr_assert_lt(fabs(p->of[1].facts.deviation - sqrt(2)) * sqrt(4096), 4.5);
    simulator_close(s);
    cr_assert_eq(simulator_open(
                     &odd, 1, &(marginal){.name = "p", .family = NRE_NORMAL, .b = 1}, &s),
                 NRE_ECONFIG);
}
