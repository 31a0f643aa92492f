/* data/online.c - simulations that are drawn while a network trains on them. */
#include "data/data.h"

#include <stdlib.h>
#include <string.h>

typedef struct online_loader {
    loader base;
    const simulator *simulator;
    pool *workers;
    char *purpose;
    draw draw; /* of any share: all but first and n */
    rng_key noise;
    uint64_t reuse;
    uint64_t *generation; /* [reuse], of each share; UNDRAWN: rows without meaning */
    double *theta;        /* [n][n_theta] */
    float *x;             /* [n][n_x], clean where the simulator has noise */
} online_loader;
#define UNDRAWN UINT64_MAX

/* N rows are cut in REUSE shares of n / REUSE rows, the first ones of one more where that
 * leaves a rest. */
static uint64_t first_of(uint64_t n, uint64_t reuse, uint64_t share)
{
    uint64_t rest = n % reuse;
    return n / reuse * share + (share < rest ? share : rest);
}

static uint64_t share_of(uint64_t n, uint64_t reuse, uint64_t row)
{
    uint64_t rows = n / reuse, rest = n % reuse, larger = rest * (rows + 1);
    return row < larger ? row / (rows + 1) : rest + (row - larger) / rows;
}

/* Epoch 1 has generation 0 of all, each later one replaces a single share, in turn. */
static uint64_t generation_in(const online_loader *l, uint64_t share, uint64_t epoch)
{
    return epoch < 2 ? 0 : (epoch - 2 + l->reuse - share) / l->reuse;
}

/* The number of the simulation that stands in a row. */
static uint64_t simulation_of(const online_loader *l, uint64_t row)
{
    return l->generation[share_of(l->base.n, l->reuse, row)] * l->base.n + row;
}

static int draw_share(const online_loader *l, uint64_t share, uint64_t generation)
{
    uint64_t n = l->base.n, first = first_of(n, l->reuse, share);
    draw d = l->draw;
    d.first = generation * n + first;
    d.n = (size_t)(first_of(n, l->reuse, share + 1) - first);
    l->generation[share] = UNDRAWN;
    int status = d.n == 0 ? NRE_OK
                          : simulator_draw(l->simulator, l->workers, NULL, &d,
                                           l->theta + first * l->base.n_theta,
                                           l->x + first * l->base.n_x, NULL, NULL, NULL);
    if (!status)
        l->generation[share] = generation;
    return status;
}

static int online_begin(const loader *base, uint64_t epoch)
{
    const online_loader *l = (const online_loader *)base;
    int status = NRE_OK;
    for (uint64_t share = 0; !status && share < l->reuse; share++) {
        uint64_t wanted = generation_in(l, share, epoch);
        if (l->generation[share] != wanted)
            status = draw_share(l, share, wanted);
    }
    return status;
}

static int add_noise(const online_loader *l, unsigned worker, uint64_t epoch, size_t n,
                     const uint64_t *index, float *x)
{
    size_t d = l->base.n_theta;
    uint64_t *item = memory_new(n, sizeof *item);
    double *theta = memory_new(n, d * sizeof *theta);
    int status = item && theta ? NRE_OK : fail(NRE_ENOMEM, "no memory for %zu rows", n);
    for (size_t i = 0; !status && i < n; i++) {
        item[i] = simulation_of(l, index[i]);
        memcpy(theta + i * d, l->theta + index[i] * d, d * sizeof *theta);
    }
    if (!status)
        status =
            simulator_perturb(l->simulator, l->noise, n, item, epoch, theta, x, worker);
    free(item);
    free(theta);
    return status;
}

static int online_rows(const loader *base, unsigned worker, uint64_t epoch, size_t n,
                       const uint64_t *index, double *theta, float *x)
{
    const online_loader *l = (const online_loader *)base;
    size_t d = base->n_theta, n_x = base->n_x;
    for (size_t i = 0; i < n; i++) {
        bug_if(index[i] >= base->n);
        if (theta)
            memcpy(theta + i * d, l->theta + index[i] * d, d * sizeof *theta);
        if (x)
            memcpy(x + i * n_x, l->x + index[i] * n_x, n_x * sizeof *x);
    }
    return x && l->draw.clean ? add_noise(l, worker, epoch, n, index, x) : NRE_OK;
}

static void online_free(loader *base)
{
    online_loader *l = (online_loader *)base;
    free(l->purpose);
    free(l->generation);
    free(l->theta);
    free(l->x);
    free(l);
}

static int allocate(online_loader *l, const online_plan *plan)
{
    l->purpose = strdup(plan->purpose);
    l->generation = memory_new(l->reuse, sizeof *l->generation);
    l->theta = memory_new(plan->n, l->base.n_theta * sizeof *l->theta);
    l->x = memory_new(plan->n, l->base.n_x * sizeof *l->x);
    return l->purpose && l->generation && l->theta && l->x
               ? NRE_OK
               : fail(NRE_ENOMEM,
                      "no memory for %llu simulations of %zu values; lower "
                      "datasets.train.n, or store them: without train.online",
                      (unsigned long long)plan->n, l->base.n_theta + l->base.n_x);
}

static int draw_first(online_loader *l, progress *watch, tally *count, validity *v)
{
    draw d = l->draw;
    d.n = (size_t)l->base.n;
    int status = simulator_draw(l->simulator, l->workers, watch, &d, l->theta, l->x, NULL,
                                count, v);
    memset(l->generation, 0, l->reuse * sizeof *l->generation);
    return status;
}

int loader_online(const simulator *s, pool *p, progress *watch, const online_plan *plan,
                  tally *count, validity *v, loader **out)
{
    *out = NULL;
    if (plan->n < 1 || plan->reuse < 1)
        return fail(NRE_EINVAL, "%llu rows that are used in %llu epochs each",
                    (unsigned long long)plan->n, (unsigned long long)plan->reuse);
    online_loader *l = memory_new(1, sizeof *l);
    if (!l)
        return fail(NRE_ENOMEM, "no memory for a loader");
    l->base = (loader){plan->n,     simulator_n_theta(s), simulator_n_x(s),
                       online_rows, online_begin,         online_free};
    l->simulator = s;
    l->workers = p;
    l->reuse = plan->reuse;
    l->noise = rng_purpose(plan->seed, "noise/%s", plan->purpose);
    int status = allocate(l, plan);
    l->draw = (draw){.seed = plan->seed,
                     .purpose = l->purpose,
                     .on_invalid = plan->on_invalid,
                     .clean = simulator_has_noise(s)};
    if (!status)
        status = draw_first(l, watch, count, v);
    if (status)
        online_free(&l->base);
    else
        *out = &l->base;
    return status;
}

uint64_t online_simulations(uint64_t n, uint64_t reuse, uint64_t epochs)
{
    uint64_t later = epochs > 1 ? epochs - 1 : 0;
    return n + later / reuse * n + first_of(n, reuse, later % reuse);
}
