/* Sampling under a thread sanitizer: groups of chains of a network's ratio, by one thread and by
 * four; a plain program, because Criterion cannot run under one. */
#include "infer/infer.h"

#include <stdlib.h>
#include <string.h>

enum { D = 2, ROWS = 30, CHAINS = 20, THREADS = 4 };

extern const nre_plugin plugin_metropolis;

static void require(bool truth, const char *what)
{
    if (truth)
        return;
    fprintf(stderr, "tsan_chains: %s: %s\n", what, error_message());
    exit(1);
}

static nre_node build(const void *self, nre_graph *g)
{
    (void)self;
    nre_node a = g->concat(g, g->theta, g->x);
    g->push(g, "trunk");
    a = g->activate(g, g->linear(g, a, 16, 1), NRE_SELU);
    a = g->linear(g, a, 1, 1);
    g->pop(g);
    return a;
}

static const nre_architecture_ops SMALL = {.struct_size = sizeof SMALL, .build = build};
static const nre_plugin ARCHITECTURE = {NRE_PLUGIN_HEAD(NRE_ARCHITECTURE),
                                        .name = "small",
                                        .version = "1",
                                        .summary = "for tests",
                                        .option_size = sizeof(nre_option),
                                        .ops.architecture = &SMALL};

/* A posterior of a network with random weights. */
typedef struct fixture {
    net *net;
    float *weights, mean[D], inverse[D];
    uint8_t kind[D];
    scaling scale, *scaling;
    model *model;
    marginal of[D];
    uint32_t which[D];
    prior prior;
    target target;
    ratio *ratio;
    observed *observed;
    posterior posterior;
} fixture;

static void make_network(fixture *f)
{
    net_field field = {.name = "x", .shape = {.rank = 1, .dim = {D}}};
    net_inputs inputs = {.n_theta = D, .n_fields = 1, .fields = &field};
    require(blas_start() == NRE_OK, "blas");
    require(net_new(&ARCHITECTURE, NULL, &inputs, &f->net) == NRE_OK, "net");
    f->weights = memory_new(net_n_weights(f->net), sizeof(float));
    require(f->weights != NULL, "weights");
    net_init(f->net, rng_purpose(1, "init"), f->weights, NULL);
    require(model_new(f->net, f->weights, NULL, &f->model) == NRE_OK, "model");
    for (int k = 0; k < D; k++) {
        f->inverse[k] = 1;
        f->kind[k] = NRE_SCALE_AFFINE;
    }
    f->scale = (scaling){D, f->kind, f->mean, f->inverse};
    f->scaling = &f->scale;
}

static void fixture_open(fixture *f)
{
    float x[ROWS * D];
    ratio_worker *w = NULL;
    *f = (fixture){0};
    make_network(f);
    for (uint32_t k = 0; k < D; k++) {
        f->of[k] =
            (marginal){.name = k ? "b" : "a", .family = NRE_UNIFORM, .a = -1, .b = 3};
        marginal_settle(&f->of[k]);
        f->which[k] = k;
    }
    f->prior = (prior){.n = D, .of = f->of};
    f->target = (target){.name = "all", .n = D, .which = f->which, .prior = &f->prior};
    require(ratio_of_networks(&f->target, 1, &f->model, &f->scaling, &f->ratio) == NRE_OK,
            "ratio");
    f->posterior.ratio = f->ratio;
    for (int i = 0; i < ROWS * D; i++)
        x[i] = 0.1f * (float)i;
    require(ratio_worker_new(f->ratio, &w) == NRE_OK, "worker");
    require(observed_new(f->ratio, &f->observed) == NRE_OK, "observed");
    require(ratio_observe(f->ratio, w, ROWS, x, f->observed) == NRE_OK, "rows");
    ratio_worker_free(w);
}

static void fixture_close(fixture *f)
{
    observed_free(f->observed);
    ratio_free(f->ratio);
    model_free(f->model);
    free(f->weights);
    net_free(f->net);
}

static void sample(const fixture *f, const instance *sampler, unsigned threads,
                   chains *out)
{
    host_services services = {0};
    require(pool_new(threads, &services.workers) == NRE_OK, "threads");
    chains_plan how = {.n_chains = CHAINS,
                       .warmup = 60,
                       .draws = 40,
                       .seed = 1,
                       .purpose = "chain/all",
                       .services = &services};
    require(chains_of_rows(sampler, &f->posterior, f->observed, 0, ROWS, &how, out) ==
                NRE_OK,
            "chains");
    pool_free(services.workers);
}

int main(void)
{
    static fixture f;
    chains one[ROWS], many[ROWS];
    arena *a = arena_new();
    plugin p = {.table = &plugin_metropolis, .path = "metropolis"};
    nre_values *values = NULL;
    instance *sampler = NULL;
    fixture_open(&f);
    require(values_new(&p, a, &values) == NRE_OK, "options");
    require(instance_new(&p, values, &(host_services){0}, &sampler) == NRE_OK, "sampler");
    sample(&f, sampler, 1, one);
    sample(&f, sampler, THREADS, many);
    for (size_t i = 0; i < ROWS; i++) {
        size_t n = one[i].n_chains * one[i].n_draws;
        require(!memcmp(one[i].theta, many[i].theta, n * D * sizeof(double)),
                "draws depend on the number of threads");
        require(!memcmp(one[i].log_posterior, many[i].log_posterior, n * sizeof(double)),
                "densities depend on the number of threads");
        chains_release(&one[i]);
        chains_release(&many[i]);
    }
    instance_free(sampler);
    arena_free(a);
    fixture_close(&f);
    return 0;
}
