#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

Test(resolve, types_scalars_by_the_schema)
{
    arena *a = arena_new();
    experiment *e = load_right(a, "name: 1e-4\nseed: 2e5\n"
                                  "train: {optimizer: {lr: 1e-4, eps: 1}, clip: .5}\n");
    cr_assert_str_eq(e->name, "1e-4");
    cr_assert_eq(e->seed, 200000);
    cr_assert_eq(e->train.optimizer.lr, 1e-4);
    cr_assert_eq(e->train.optimizer.eps, 1.0);
    cr_assert_eq(e->train.clip, 0.5);
    arena_free(a);
}

Test(resolve, writes_reals_so_that_they_read_back)
{
    arena *a = arena_new();
    const double values[] = {0.1,  1.0 / 3, 1e-300, 5e-324, 1.7976931348623157e308,
                             -0.0, 2};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        double back = 1;
        cr_assert(text_to_real(real_text(a, values[i]), &back));
        cr_assert_eq(memcmp(&back, &values[i], sizeof back), 0, "%s",
                     real_text(a, values[i]));
    }
    cr_assert_str_eq(real_text(a, 0.1), "0.1");
    arena_free(a);
}

Test(resolve, takes_integers_to_the_last_digit)
{
    arena *a = arena_new();
    cr_assert_eq(load_right(a, "seed: 9007199254740993\n")->seed, 9007199254740993u);
    cr_assert_not_null(strstr(load_wrong(a, "seed: 9223372036854775807\n"), "seed = "));
    cr_assert_not_null(strstr(load_wrong(a, "seed: 1.5\n"), "expected an integer"));
    arena_free(a);
}

static void check_prior(const char *text, uint32_t family, const double *v)
{
    arena *a = arena_new();
    const parameter_override *o =
        load_right(a, arena_print(a, "parameters: {mu: {prior: {%s}}}\n", text))
            ->overrides;
    cr_assert_str_eq(o->name, "mu");
    cr_assert_eq(o->prior, family, "%s", text);
    cr_assert(o->a == v[0] && o->b == v[1] && o->lo == v[2] && o->hi == v[3],
              "%s: %g %g %g %g", text, o->a, o->b, o->lo, o->hi);
    arena_free(a);
}

Test(resolve, reads_every_family_of_priors)
{
    check_prior("uniform: [-1, 2]", NRE_UNIFORM, (double[]){-1, 2, 0, 0});
    check_prior("uniform: {high: 2, low: -1}", NRE_UNIFORM, (double[]){-1, 2, 0, 0});
    check_prior("log_uniform: [0.5, 10.0]", NRE_LOG_UNIFORM, (double[]){0.5, 10, 0, 0});
    check_prior("normal: {mean: 1, sd: 2}", NRE_NORMAL, (double[]){1, 2, 0, 0});
    check_prior("log_normal: [0, 1]", NRE_LOG_NORMAL, (double[]){0, 1, 0, 0});
    check_prior("truncated_normal: [0, 1, -2, 3]", NRE_TRUNCATED_NORMAL,
                (double[]){0, 1, -2, 3});
    check_prior("half_normal: [3]", NRE_HALF_NORMAL, (double[]){0, 3, 0, 0});
    check_prior("half_cauchy: {scale: 3}", NRE_HALF_CAUCHY, (double[]){0, 3, 0, 0});
    check_prior("gamma: [2, 3]", NRE_GAMMA, (double[]){2, 3, 0, 0});
    check_prior("beta: [2, 3]", NRE_BETA, (double[]){2, 3, 0, 1});
    check_prior("beta: [2, 3, -1, 5]", NRE_BETA, (double[]){2, 3, -1, 5});
}

static void check_targets(const char *text, const char *canonical)
{
    arena *a = arena_new();
    experiment *e = load_right(a, arena_print(a, "infer: {target: %s}\n", text));
    const char *const prefix[] = {"infer.target"};
    const char *line = arena_print(a, "infer.target = %s\n", canonical);
    cr_assert_str_eq(experiment_inputs(e, a, 1, prefix), line);
    arena_free(a);
}

Test(resolve, reads_every_form_of_targets)
{
    check_targets("all", "[all]");
    check_targets("beta", "[[beta]]");
    check_targets("[beta, d]", "[[beta, d]]");
    check_targets("[[beta, d], all]", "[[beta, d], all]");
    check_targets("[beta, all]", "[[beta], all]");
    check_targets("[[beta, d], [d], d2]", "[[beta, d], [d], [d2]]");
    arena *a = arena_new();
    experiment *e = load_right(a, "infer: {target: [[beta, d], all]}\n");
    cr_assert_eq(e->infer.n_targets, 2);
    cr_assert_eq(e->infer.targets[0].n, 2);
    cr_assert_str_eq(e->infer.targets[0].names[1], "d");
    cr_assert_not(e->infer.targets[0].all);
    cr_assert(e->infer.targets[1].all);
    cr_assert_eq(e->infer.targets[1].where.line, 3);
    load_wrong(a, "infer: {target: []}\n");
    load_wrong(a, "infer: {target: [[]]}\n");
    load_wrong(a, "infer: {target: [[a, all]]}\n");
    load_wrong(a, "infer: {target: {a: b}}\n");
    arena_free(a);
}

Test(resolve, takes_an_empty_value_for_an_empty_map)
{
    arena *a = arena_new();
    experiment *e = load_right(a, "infer:\ntrain:\n  optimizer:\nparameters:\n");
    cr_assert_eq(e->train.optimizer.lr, 1e-3);
    cr_assert_eq(e->n_overrides, 0);
    arena_free(a);
}
