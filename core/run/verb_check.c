/* nereid check: one mini-batch through everything; writes nothing. */
#include "run/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROWS = 64 };

typedef struct sample_rows {
    double *theta; /* [ROWS][n_theta] */
    float *x;      /* [ROWS][n_x] */
    uint8_t *status;
    loader *loader;
    scaling *scaling;
    double seconds; /* of one simulation on one thread */
} sample_rows;

static void sample_free(sample_rows *b)
{
    loader_free(b->loader);
    scaling_free(b->scaling);
    free(b->theta);
    free(b->x);
    free(b->status);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int simulate_sample(const session *s, sample_rows *b)
{
    size_t k = simulator_n_theta(s->simulator), m = simulator_n_x(s->simulator);
    draw d = {.seed = s->experiment->seed,
              .purpose = "check",
              .n = ROWS,
              .on_invalid = (int)s->experiment->simulator.on_invalid};
    tally count = {0};
    *b = (sample_rows){.theta = memory_new(ROWS * k, sizeof *b->theta),
                       .x = memory_new(ROWS * m, sizeof *b->x),
                       .status = memory_new(ROWS, 1)};
    if (!b->theta || !b->x || !b->status)
        return fail(NRE_ENOMEM, "no memory for a mini-batch");
    int rc = simulator_prepare(s->simulator);
    double start = now();
    if (!rc)
        rc = simulator_draw(s->simulator, NULL, NULL, &d, b->theta, b->x, b->status,
                            &count, NULL);
    b->seconds = (now() - start) / ROWS;
    if (!rc)
        rc = loader_of_arrays(ROWS, k, m, b->theta, b->x, &b->loader);
    return rc ? rc
              : scaling_fit(s->simulator, b->loader, s->experiment->train.standardise,
                            NULL, &b->scaling);
}

/* Log ratios of the mini-batch by an untrained network, and the sampler's first steps on
 * them. */
static int try_ratio(const session *s, ratio *r, const sample_rows *b)
{
    ratio_worker *w = NULL;
    observed *o = NULL;
    chains c = {0};
    posterior p = {.ratio = r};
    chains_plan few = {.n_chains = 4,
                       .warmup = 10,
                       .draws = 10,
                       .seed = s->experiment->seed,
                       .purpose = "check",
                       .services = &s->services};
    int rc = ratio_worker_new(r, &w);
    if (!rc)
        rc = observed_new(r, &o);
    if (!rc)
        rc = ratio_observe(r, w, 1, b->x, o);
    if (!rc && s->sampler)
        rc = chains_of(s->sampler, &p, o, 0, 1, &few, &c);
    chains_release(&c);
    observed_free(o);
    ratio_worker_free(w);
    return rc;
}

static int try_network(const session *s, size_t i, const sample_rows *b)
{
    const net *g = s->nets[i];
    float *weights = memory_new(net_n_weights(g) + 1, sizeof *weights);
    float *buffers = memory_new(net_n_buffers(g) + 1, sizeof *buffers);
    model *m = NULL;
    ratio *r = NULL;
    scaling *scale = b->scaling;
    int rc = weights && buffers ? NRE_OK : fail(NRE_ENOMEM, "no memory for a network");
    if (!rc) {
        net_init(g, rng_purpose(s->experiment->seed, "check"), weights, buffers);
        rc = model_new(g, weights, buffers, &m);
    }
    if (!rc)
        rc = ratio_of_networks(&s->targets[i], 1, &m, &scale, &r);
    if (!rc)
        rc = try_ratio(s, r, b);
    ratio_free(r);
    model_free(m);
    free(weights);
    free(buffers);
    return rc;
}

/* What was found, as JSON; printed as such or as lines. */
static json_t *simulator_found(const session *s, double seconds)
{
    const experiment *e = s->experiment;
    uint64_t total = 0;
    for (size_t i = 0; i < N_PURPOSES; i++)
        if (dataset_is_needed(e, i) || (i == TRAIN && trains_online(e)))
            total += dataset_request_of(e, i)->n;
    return json_pack(
        "{s:s, s:I, s:I, s:f, s:I, s:f}", "name", e->simulator.component.name,
        "parameters", (json_int_t)simulator_n_theta(s->simulator), "values",
        (json_int_t)simulator_n_x(s->simulator), "seconds_each", seconds, "simulations",
        (json_int_t)total, "seconds", seconds * (double)total / pool_threads(s->workers));
}

static json_t *targets_found(const session *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->n_targets; i++) {
        double head = 0, trunk = 0;
        if (s->nets[i])
            net_flops(s->nets[i], &head, &trunk);
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:I, s:f}", "name", s->targets[i].name,
                            "parameters", (json_int_t)s->targets[i].n, "weights",
                            (json_int_t)(s->nets[i] ? net_n_weights(s->nets[i]) : 0),
                            "flops", head + trunk));
    }
    return list;
}

static void say_targets(const json_t *targets)
{
    size_t i;
    json_t *t;
    json_array_foreach(targets, i, t)
        printf("target           %s: %lld parameters, network of %lld weights, %.3g "
               "MFLOP a pair\n",
               json_string_value(json_object_get(t, "name")),
               (long long)json_integer_value(json_object_get(t, "parameters")),
               (long long)json_integer_value(json_object_get(t, "weights")),
               1e-6 * json_number_value(json_object_get(t, "flops")));
}

static long long count_of(const json_t *object, const char *key)
{
    return (long long)json_integer_value(json_object_get(object, key));
}

static void say_found(const json_t *found, unsigned n_threads)
{
    const json_t *m = json_object_get(found, "simulator");
    long long n_rows = count_of(found, "observations"), n_values = count_of(m, "values");
    printf(
        "simulator        %s: %lld parameters, %lld values, %.3g ms a simulation, about "
        "%.0f s "
        "for %lld on %u threads\n",
        json_string_value(json_object_get(m, "name")), count_of(m, "parameters"),
        n_values, 1e3 * json_number_value(json_object_get(m, "seconds_each")),
        json_number_value(json_object_get(m, "seconds")), count_of(m, "simulations"),
        n_threads);
    say_targets(json_object_get(found, "targets"));
    if (n_rows)
        printf("observation      %lld row%s of %lld values\n", n_rows,
               n_rows == 1 ? "" : "s", n_values);
}

static int try_session(session *s, json_t **found)
{
    sample_rows b = {0};
    run r = {.session = s};
    size_t n = 0;
    const float *x = NULL;
    int rc = simulate_sample(s, &b);
    for (size_t i = 0; !rc && i < s->n_targets; i++)
        if (s->nets[i])
            rc = try_network(s, i, &b);
    if (!rc)
        rc = observations_of(&r, &n, &x);
    if (!rc) {
        *found = json_pack("{s:o, s:o, s:I}", "simulator", simulator_found(s, b.seconds),
                           "targets", targets_found(s), "observations", (json_int_t)n);
        rc = *found ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    }
    sample_free(&b);
    return rc;
}

static int try_experiment(const command *c, plugins *p, experiment *e, json_t **found)
{
    session *s = NULL;
    session_request request = {
        .config = c->arguments[0], .command = c, .plugins = p, .experiment = e};
    int rc = session_open(&request, &s);
    if (!rc)
        rc = try_session(s, found);
    session_close(s);
    return rc;
}

static int check_one(const command *c, plugins *p, experiment *e)
{
    json_t *found = NULL;
    int rc = try_experiment(c, p, e, &found);
    if (!rc)
        json_object_set_new(found, "config", json_string(c->arguments[0]));
    if (!rc && c->json) {
        json_dumpf(found, stdout, JSON_INDENT(2));
        printf("\n");
    } else if (!rc) {
        say_found(found, command_threads(c));
        printf("%s is fine\n", c->arguments[0]);
    }
    json_decref(found);
    return rc;
}

static int check_cell(const command *c, plugins *p, const sweep_cell *cell, json_t *list,
                      complaints *wrong)
{
    json_t *found = NULL;
    int rc = try_experiment(c, p, cell->experiment, &found);
    if (rc)
        return complain(wrong, rc, cell->name);
    if (!c->json) {
        printf("%s\n", cell->name);
        say_found(found, command_threads(c));
    }
    json_object_set_new(found, "cell", json_string(cell->name));
    json_array_append_new(list, found);
    return NRE_OK;
}

/* Replicates differ in what a check does not see, so that "a,b/r1" means the cell a,b. */
static bool is_chosen(const char *id, const sweep_cell *cell, uint64_t replicates)
{
    size_t n = strlen(cell->name);
    if (!id || !strcmp(id, cell->name))
        return true;
    for (uint64_t r = 0; r < replicates && !strncmp(id, cell->name, n); r++) {
        char name[32];
        snprintf(name, sizeof name, "/r%llu", (unsigned long long)r);
        if (!strcmp(id + n, name))
            return true;
    }
    return false;
}

static int check_many(const command *c, plugins *p, const sweep *s, arena *a)
{
    complaints wrong = {.arena = a, .text = ""};
    size_t n = 0;
    json_t *list = json_array();
    int rc = list ? NRE_OK : fail(NRE_ENOMEM, "no memory for the result");
    for (size_t i = 0; i < s->n_cells && !rc; i++)
        if (is_chosen(c->cell, &s->cells[i], s->replicates)) {
            rc = check_cell(c, p, &s->cells[i], list, &wrong);
            n++;
        }
    if (!rc && n == 0)
        rc = fail(NRE_EUSAGE, "--cell %s: the sweep has no such cell; its first is %s",
                  c->cell, s->cells[0].name);
    if (!rc && wrong.first)
        rc = fail(wrong.first, "%s", wrong.text);
    if (!rc && c->json) {
        json_t *all = json_pack("{s:s, s:O}", "config", c->arguments[0], "cells", list);
        json_dumpf(all, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(all);
    } else if (!rc) {
        printf("%s is fine: %zu cell%s\n", c->arguments[0], n, n == 1 ? "" : "s");
    }
    json_decref(list);
    return rc;
}

int verb_check(const command *c)
{
    plugins *p = NULL;
    experiment *one = NULL;
    sweep *many = NULL;
    if (c->n_arguments != 1)
        return fail(NRE_EUSAGE, "nereid check takes one config: nereid check CONFIG");
    arena *a = arena_new();
    int rc = a ? command_plugins(c, &p) : fail(NRE_ENOMEM, "no memory to check");
    if (!rc)
        rc = command_config(c, p, a, &one, &many);
    if (!rc)
        rc = many ? check_many(c, p, many, a) : check_one(c, p, one);
    plugins_free(p);
    arena_free(a);
    return rc;
}
