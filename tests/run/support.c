/* support.c - a gaussian_linear in two dimensions. */
#include "support.h"

static const char CONFIG[] =
    "schema: nereid/1\n"
    "seed: 1\n"
    "simulator: {plugin: gaussian_linear, params: {dim: 2}}\n"
    "datasets: {train: {n: 200}, validation: {n: 50}, test: {n: 60}}\n"
    "architecture: {plugin: mlp, params: {layers: [8]}}\n"
    "train: {epochs: 2, batch_size: 50}\n"
    "infer:\n"
    "  target: [[theta_2], all]\n"
    "  sampler: {plugin: metropolis, chains: 4, warmup: 20, draws: 50, gate: {missed: "
    "none}}\n"
    "diagnose:\n"
    "  coverage: {observables: 30, repeats: 2}\n"
    "  area: {observables: 20}\n"
    "  predictive: {observables: 20}\n";

int trial_try(trial *t, const char *const *settings)
{
    command c = {.n_plugin_path = 1, .plugin_path = {GOOD_PLUGINS}, .threads = 2};
    *t = (trial){.s = scratch_new()};
    for (; *settings; settings++)
        c.set[c.n_set++] = *settings;
    cr_assert_eq(file_print(scratch_path(&t->s, "a.yaml"), "%s", CONFIG), NRE_OK);
    session_request request = {.config = t->s.path, .command = &c};
    int rc = session_open(&request, &t->session);
    if (!rc)
        rc = folder_peek(scratch_path(&t->s, "run"), &t->run.folder);
    t->run.session = t->session;
    t->run.source = t->run.folder;
    if (rc)
        scratch_free(&t->s);
    return rc;
}

void trial_open(trial *t, const char *const *settings)
{
    log_level(NRE_WARN);
    cr_assert_eq(trial_try(t, settings), NRE_OK, "%s", error_message());
}

void trial_close(trial *t)
{
    pairs_forget(&t->run); /* while its session knows the targets */
    session_close(t->session);
    stages_free(t->run.stages);
    folder_close(t->run.folder);
    scratch_free(&t->s);
}
