#include "support.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Test(experiment, has_the_documented_defaults)
{
    arena *a = arena_new();
    const experiment *e = load_right(a, "");
    cr_assert_str_eq(e->path, "test.yaml");
    cr_assert_str_eq(e->name, "test");
    cr_assert_eq(e->seed, 1);
    cr_assert_eq(e->estimator, ESTIMATOR_NETWORK);
    cr_assert_eq(e->simulator.on_invalid, INVALID_REDRAW_THETA);
    cr_assert_eq(e->simulator.max_fraction, 0.01);
    cr_assert_eq(e->datasets.train.n, 100000);
    cr_assert_eq(e->datasets.validation.n, 10000);
    cr_assert_eq(e->datasets.test.n, 20000);
    cr_assert(e->datasets.train.wanted && e->datasets.test.wanted);
    cr_assert_not(e->datasets.calibration.wanted);
    cr_assert_str_eq(e->architecture.name, "mlp");
    cr_assert_str_eq(e->train.loss.name, "nre_a");
    cr_assert_eq(e->train.loss.marginals, 1);
    cr_assert_str_eq(e->train.optimizer.name, "adamw");
    cr_assert_eq(e->train.optimizer.lr, 1e-3);
    cr_assert_eq(e->train.optimizer.beta2, 0.999);
    cr_assert_eq(e->train.optimizer.eps, 1e-8);
    cr_assert_eq(e->train.optimizer.weight_decay, 1e-4);
    cr_assert_eq(e->train.schedule.kind, SCHEDULE_COSINE);
    cr_assert_eq(e->train.batch_size, 1024);
    cr_assert_eq(e->train.epochs, 30);
    cr_assert_eq(e->train.patience, 10);
    cr_assert_eq(e->train.ensemble, 1);
    cr_assert_eq(e->train.clip, 0);
    cr_assert(e->train.standardise);
    cr_assert_eq(e->infer.n_targets, 1);
    cr_assert(e->infer.targets[0].all);
    cr_assert_not(e->infer.observation.wanted);
    cr_assert_eq(e->infer.nuisance, NUISANCE_UNSAID);
    cr_assert_str_eq(e->infer.sampler.component.name, "metropolis");
    cr_assert_eq(e->infer.sampler.chains, 16);
    cr_assert_eq(e->infer.sampler.warmup, 500);
    cr_assert_eq(e->infer.sampler.draws, 2000);
    cr_assert(e->diagnose.coverage.wanted);
    cr_assert_arr_eq(e->diagnose.coverage.levels, ((double[]){0.68, 0.95, 0.997}),
                     3 * sizeof(double));
    cr_assert_eq(e->diagnose.coverage.regions, REGION_CREDIBLE | REGION_CONFIDENCE);
    cr_assert_eq(e->diagnose.coverage.observables, 5000);
    cr_assert_eq(e->diagnose.coverage.repeats, 4);
    cr_assert_not(e->diagnose.coverage.gate_under);
    cr_assert_eq(e->diagnose.area.observables, 500);
    cr_assert_eq(e->diagnose.predictive.observables, 500);
    cr_assert(e->report.html);
    arena_free(a);
}

Test(experiment, takes_what_is_said)
{
    arena *a = arena_new();
    const experiment *e = load_right(
        a, "estimator: prior\n"
           "datasets: {calibration: {}, train: {shard: 500}}\n"
           "train: {schedule: {name: one_cycle, warmup: 2}, standardise: none}\n"
           "infer:\n"
           "  observation: {simulate: {at: {mu: 0.5, sigma: 1e0}, n: 5, seed: 3}}\n"
           "  nuisance: shared\n"
           "diagnose:\n"
           "  coverage: {regions: [confidence], gate: {under: error}, snap: true}\n"
           "  area: false\n"
           "  predictive: {gate: {outside: error}}\n"
           "report: {html: false}\n");
    cr_assert_eq(e->estimator, ESTIMATOR_PRIOR);
    cr_assert(e->datasets.calibration.wanted);
    cr_assert_eq(e->datasets.calibration.n, 10000);
    cr_assert_eq(e->datasets.train.shard, 500);
    cr_assert_eq(e->train.schedule.kind, SCHEDULE_ONE_CYCLE);
    cr_assert_eq(e->train.schedule.warmup, 2);
    cr_assert_not(e->train.standardise);
    cr_assert(e->infer.observation.wanted && e->infer.observation.simulate.wanted);
    cr_assert_eq(e->infer.observation.simulate.n_at, 2);
    cr_assert_str_eq(e->infer.observation.simulate.names[0], "mu");
    cr_assert_eq(e->infer.observation.simulate.values[0], 0.5);
    cr_assert_eq(e->infer.observation.simulate.seed, 3);
    cr_assert_eq(e->infer.nuisance, NUISANCE_SHARED);
    cr_assert_eq(e->diagnose.coverage.regions, REGION_CONFIDENCE);
    cr_assert(e->diagnose.coverage.gate_under && e->diagnose.coverage.snap);
    cr_assert_not(e->diagnose.area.wanted);
    cr_assert_not(e->diagnose.area.gate_outside);
    cr_assert(e->diagnose.predictive.gate_outside);
    cr_assert_not(e->report.html);
    arena_free(a);
}

Test(experiment, reads_datasets_of_files)
{
    arena *a = arena_new();
    char *folder = folder_new(a), *path = path_join(a, folder, "c.yaml");
    const char *const names[] = {"s.h5", "t.npy", "x.npy"};
    for (size_t i = 0; i < 3; i++)
        cr_assert_eq(file_print(path_join(a, folder, names[i]), "x"), NRE_OK);
    cr_assert_eq(file_print(path, "schema: nereid/1\nsimulator: {plugin: bump}\n"
                                  "datasets:\n"
                                  "  train: {file: s.h5}\n"
                                  "  test: {theta: t.npy, x: x.npy, noise: add}\n"
                                  "infer: {observation: {file: of-the-plugin.csv}}\n"),
                 NRE_OK);
    config_request r = {.path = path, .plugins = test_plugins()};
    experiment *e = NULL;
    cr_assert_eq(experiment_load(&r, a, &e), NRE_OK, "%s", error_message());
    folder_remove(folder);
    cr_assert_eq(e->datasets.train.n, 0);
    cr_assert_eq(e->datasets.train.file[0], '/');
    cr_assert(e->datasets.train.noise_included);
    cr_assert_eq(e->datasets.test.x[0], '/');
    cr_assert_not(e->datasets.test.noise_included);
    cr_assert_eq(e->datasets.validation.n, 10000);
    cr_assert_str_eq(e->infer.observation.file, "of-the-plugin.csv");
    arena_free(a);
}

Test(experiment, takes_the_seed_of_the_command_line)
{
    arena *a = arena_new();
    experiment *e = NULL;
    uint64_t seed = 77;
    const char *text = "schema: nereid/1\nsimulator: {plugin: bump}\nseed: 5\n";
    config_request r = {.path = "-", .seed = &seed, .plugins = test_plugins()};
    cr_assert_eq(experiment_from_text(&r, text, strlen(text), a, &e), NRE_OK);
    cr_assert_eq(e->seed, 77);
    cr_assert_str_eq(e->name, "experiment");
    cr_assert_str_eq(experiment_find(e, "seed")->origin, "--seed");
    arena_free(a);
}

Test(experiment, says_which_file_is_missing)
{
    arena *a = arena_new();
    experiment *e = NULL;
    config_request r = {.path = "no/such.yaml", .plugins = test_plugins()};
    cr_assert_eq(experiment_load(&r, a, &e), NRE_ECONFIG);
    cr_assert_not_null(strstr(error_message(), "no/such.yaml"));
    arena_free(a);
}

Test(experiment, checks_names_of_parameters)
{
    arena *a = arena_new();
    const char *const names[] = {"mu", "sigma"};
    const experiment *e = load_right(a, "infer: {target: [[mu, sigma], all]}\n");
    cr_assert_eq(experiment_check_parameters(e, 2, names), NRE_OK);
    e = load_right(a, "parameters: {nu: {prior: {normal: [0, 1]}}}\n"
                      "infer: {target: [mu, sgima]}\n");
    cr_assert_eq(experiment_check_parameters(e, 2, names), NRE_ECONFIG);
    cr_assert_str_eq(
        error_message(),
        "test.yaml:3:14: error: parameters: the simulator has no parameter 'nu'\n"
        "  known: mu, sigma\n"
        "test.yaml:4:17: error: infer.target: the simulator has no parameter "
        "'sgima'\n"
        "  did you mean 'sigma'?  (known: mu, sigma)");
    arena_free(a);
}

Test(experiment, reads_limits)
{
    arena *a = arena_new();
    const experiment *e =
        load_right(a, "infer:\n"
                      "  limits:\n"
                      "    - {parameter: mu, side: lower}\n"
                      "    - {parameter: sigma, side: upper, level: 0.9,\n"
                      "       priors: [inverse, own], against: 2.5}\n");
    const limit_request *l = e->infer.limits;
    cr_assert_eq(e->infer.n_limits, 2);
    cr_assert_str_eq(l[0].parameter, "mu");
    cr_assert_not(l[0].upper);
    cr_assert_eq(l[0].level, 0.95);
    cr_assert_eq(l[0].priors, 1);
    cr_assert(isnan(l[0].against));
    cr_assert_str_eq(l[1].parameter, "sigma");
    cr_assert(l[1].upper);
    cr_assert_eq(l[1].level, 0.9);
    cr_assert_eq(l[1].priors, 5);
    cr_assert_eq(l[1].against, 2.5);
    cr_assert_eq(l[1].where.line, 6);
    cr_assert_eq(
        load_right(a, "infer: {limits: {parameter: mu, side: upper}}\n")->infer.n_limits,
        1);
    cr_assert_eq(load_right(a, "infer: {limits: []}\n")->infer.n_limits, 0);
    cr_assert_eq(load_right(a, "")->infer.n_limits, 0);
    arena_free(a);
}

Test(experiment, limits_name_a_parameter_of_a_target)
{
    arena *a = arena_new();
    const char *const names[] = {"mu", "sigma"};
    const experiment *e =
        load_right(a, "infer: {limits: {parameter: sigma, side: upper}}\n");
    cr_assert_eq(experiment_check_parameters(e, 2, names), NRE_OK);
    e = load_right(a, "infer:\n"
                      "  target: [mu]\n"
                      "  limits:\n"
                      "    - {parameter: sigma, side: upper}\n"
                      "    - {parameter: sgima, side: upper}\n");
    cr_assert_eq(experiment_check_parameters(e, 2, names), NRE_ECONFIG);
    cr_assert_str_eq(
        error_message(),
        "test.yaml:6:19: error: infer.limits: 'sigma' is in no target, so it is "
        "marginalised everywhere\n"
        "  add it to a target:  infer.target: [sigma]\n"
        "test.yaml:7:19: error: infer.limits: the simulator has no parameter 'sgima'\n"
        "  did you mean 'sigma'?  (known: mu, sigma)");
    arena_free(a);
}

/* wrong/NAME.yaml against wrong/NAME.txt */

/* TEXT with the folders of this machine replaced. */
static const char *neutral(arena *a, const char *text)
{
    static const char *const FROM[] = {TEST_FILES, TEST_PLUGINS}, *const TO[] = {
                                                                      "FILES", "PLUGINS"};
    for (size_t i = 0; i < 2; i++)
        for (const char *at; (at = strstr(text, FROM[i]));)
            text = arena_print(a, "%.*s%s%s", (int)(at - text), text, TO[i],
                               at + strlen(FROM[i]));
    return text;
}

static void check_golden(arena *a, const char *name)
{
    const char *base = arena_print(a, "%.*s", (int)(strlen(name) - 5), name);
    config_request r = {.path = name, .plugins = test_plugins()};
    experiment *e = NULL;
    sweep *s = NULL;
    int status = config_load(&r, a, &e, &s);
    cr_expect(status == NRE_ECONFIG || status == NRE_EPLUGIN, "%s: status %d", name,
              status);
    const char *said = arena_print(a, "%s\n", neutral(a, error_message()));
    const char *path = arena_print(a, TEST_FILES "/wrong/%s.txt", base);
    cr_expect_str_eq(said, file_text(a, path), "%s:\n%s", name, said);
}

static int is_yaml(const struct dirent *d)
{
    const char *dot = strrchr(d->d_name, '.');
    return dot && strcmp(dot, ".yaml") == 0;
}

Test(experiment, tells_every_mistake_as_agreed)
{
    struct dirent **list = NULL;
    arena *a = arena_new();
    cr_assert_eq(chdir(TEST_FILES "/wrong"), 0);
    int n = scandir(".", &list, is_yaml, alphasort);
    cr_assert_geq(n, 39);
    for (int i = 0; i < n; i++) {
        check_golden(a, list[i]->d_name);
        free(list[i]);
    }
    free(list);
    arena_free(a);
}
