#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static const char HEAD[] =
    "schema: nereid/1\nsimulator: {plugin: bump, params: {noise: 2}}\n";

static const char *set_wrong(arena *a, const char *assignment)
{
    experiment *e = NULL;
    cr_assert_eq(load_text(a, HEAD, 1, &assignment, &e), NRE_ECONFIG, "%s", assignment);
    return error_message();
}

static const char *set_right(arena *a, const char *assignment, const char *path)
{
    experiment *e = NULL;
    cr_assert_eq(load_text(a, HEAD, 1, &assignment, &e), NRE_OK, "%s", error_message());
    const node *n = experiment_find(e, path);
    cr_assert_not_null(n, "%s", path);
    return n->text;
}

Test(set, replaces_values)
{
    arena *a = arena_new();
    cr_assert_str_eq(set_right(a, "train.epochs=2e1", "train.epochs"), "20");
    cr_assert_str_eq(set_right(a, "train.optimizer.lr=1e-4", "train.optimizer.lr"),
                     "0.0001");
    cr_assert_str_eq(set_right(a, "name=no", "name"), "no");
    cr_assert_str_eq(set_right(a, "diagnose.area=false", "diagnose.area"), "false");
    cr_assert_str_eq(set_right(a, "train.optimizer={lr: 0.5}", "train.optimizer.lr"),
                     "0.5");
    cr_assert_str_eq(set_right(a, "simulator.params.bins=8", "simulator.params.noise"),
                     "2");
    arena_free(a);
}

Test(set, replaces_a_whole_map)
{
    arena *a = arena_new();
    cr_assert_str_eq(set_right(a, "simulator.params={bins: 8}", "simulator.params.noise"),
                     "0.1");
    arena_free(a);
}

Test(set, of_another_plugin_drops_the_options)
{
    arena *a = arena_new();
    experiment *e = NULL;
    const char *const set[] = {"architecture.params.layers=[64,64]",
                               "architecture.plugin=resnet",
                               "architecture.params.depth=50"};
    cr_assert_eq(load_text(a, HEAD, 3, set, &e), NRE_OK, "%s", error_message());
    cr_assert_str_eq(experiment_find(e, "architecture.params.depth")->text, "50");
    cr_assert_null(experiment_find(e, "architecture.params.layers"));
    cr_assert_eq(load_text(a, HEAD, 1, set, &e), NRE_OK, "%s", error_message());
    cr_assert_eq(experiment_find(e, "architecture.params.layers")->n, 2);
    cr_assert_str_eq(e->architecture.name, "mlp");
    arena_free(a);
}

Test(set, tells_mistakes_that_can_be_pasted)
{
    arena *a = arena_new();
    cr_assert_str_eq(set_wrong(a, "train.epocs=5"),
                     "--set train.epocs=5: error: no key 'train.epocs'; did you mean: "
                     "--set train.epochs=5");
    cr_assert_str_eq(set_wrong(a, "trian.epochs=5"),
                     "--set trian.epochs=5: error: no key 'trian.epochs'; did you mean: "
                     "--set train.epochs=5");
    cr_assert_str_eq(set_wrong(a, "epochs=5"),
                     "--set epochs=5: error: no key 'epochs'; did you "
                     "mean: --set train.epochs=5");
    cr_assert_str_eq(set_wrong(a, "train.epochs=x"),
                     "--set train.epochs=x: error: train.epochs = "
                     "x, expected an integer in 1..1000000");
    cr_assert_str_eq(set_wrong(a, "train.epochs"), "--set train.epochs: error: expected "
                                                   "PATH=VALUE, as in train.epochs=5");
    cr_assert_str_eq(
        set_wrong(a, "train.optimizer={lrr: 1}"),
        "--set train.optimizer={lrr: 1}: error: unknown key 'lrr' in "
        "train.optimizer\n  did you mean 'lr'?  (known: name, lr, beta1, beta2, eps, "
        "weight_decay)");
    cr_assert_str_eq(set_wrong(a, "train.epochs=[1"),
                     "--set train.epochs=[1: error: did not find expected ',' or ']'\n"
                     "  the '[' was opened at --set train.epochs=[1:1:1");
    cr_assert_str_eq(
        set_wrong(a, "simulator.params.nose=1"),
        "--set simulator.params.nose=1: error: unknown option 'nose' of simulator "
        "'bump' in simulator.params\n  did you mean 'noise'?  (known: noise, bins, "
        "wrap, shape, title, table, edges, tags)");
    cr_assert_not_null(strstr(set_wrong(a, "=5"), "no key ''"));
    cr_assert_not_null(strstr(set_wrong(a, "train..epochs=5"), "no key 'train..epochs'"));
    cr_assert_not_null(strstr(set_wrong(a, "seed.x=5"), "no key 'seed.x'"));
    arena_free(a);
}

/* extends */

static experiment *extended(arena *a, const char *base, const char *child)
{
    char *folder = folder_new(a), *path = path_join(a, folder, "child.yaml");
    experiment *e = NULL;
    cr_assert_eq(file_print(path_join(a, folder, "base.yaml"), "%s", base), NRE_OK);
    cr_assert_eq(file_print(path, "extends: base.yaml\n%s", child), NRE_OK);
    config_request r = {.path = path, .plugins = test_plugins()};
    int status = experiment_load(&r, a, &e);
    folder_remove(folder);
    cr_assert_eq(status, NRE_OK, "%s", error_message());
    return e;
}

Test(extends, merges_maps_and_replaces_lists)
{
    arena *a = arena_new();
    experiment *e =
        extended(a,
                 "schema: nereid/1\nsimulator: {plugin: bump, params: {noise: 2}}\n"
                 "train: {epochs: 7, optimizer: {lr: 0.5}}\n"
                 "diagnose: {coverage: {levels: [0.1, 0.2]}}\n",
                 "train: {optimizer: {beta1: 0.5}}\n"
                 "simulator: {params: {bins: 3}}\n"
                 "diagnose: {coverage: {levels: [0.3]}}\n");
    cr_assert_eq(e->train.epochs, 7);
    cr_assert_eq(e->train.optimizer.lr, 0.5);
    cr_assert_eq(e->train.optimizer.beta1, 0.5);
    cr_assert_str_eq(experiment_find(e, "simulator.params.noise")->text, "2");
    cr_assert_str_eq(experiment_find(e, "simulator.params.bins")->text, "3");
    cr_assert_eq(e->diagnose.coverage.n_levels, 1);
    cr_assert_eq(e->diagnose.coverage.levels[0], 0.3);
    cr_assert_null(experiment_find(e, "extends"));
    cr_assert_not_null(strstr(experiment_find(e, "train.epochs")->origin, "base.yaml"));
    cr_assert_not_null(
        strstr(experiment_find(e, "train.optimizer.beta1")->origin, "child.yaml"));
    arena_free(a);
}

Test(extends, drops_what_cannot_stand_beside_the_new)
{
    arena *a = arena_new();
    experiment *e = extended(a,
                             "schema: nereid/1\nsimulator: {plugin: bump}\n"
                             "architecture: {params: {layers: [3]}}\n"
                             "parameters: {mu: {prior: {uniform: [0, 1]}}}\n"
                             "infer: {observation: {file: x.csv}}\n",
                             "architecture: {plugin: resnet, params: {depth: 18}}\n"
                             "parameters: {mu: {prior: {normal: [0, 1]}}}\n"
                             "infer: {observation: {simulate: {n: 3}}}\n");
    cr_assert_str_eq(experiment_find(e, "architecture.params.depth")->text, "18");
    cr_assert_eq(e->overrides[0].prior, NRE_NORMAL);
    cr_assert_null(e->infer.observation.file);
    cr_assert_eq(e->infer.observation.simulate.n, 3);
    arena_free(a);
}
