/* hmc: Hamiltonian Monte Carlo, many chains in one call of log density and gradient a leapfrog step.
 *
 * A trajectory is LENGTH deviations of the learned metric long, times a factor between 0.5 and 1.5
 * that runs through the van der Corput sequence: the same for all chains at the same step, so that
 * they begin and end together, and free of the periods that a fixed length can fall in with.
 * For a Gaussian a quarter of the period, pi / 2, makes successive draws independent. */
#include "hamiltonian.h"

enum { MOST_STEPS = 1000 }; /* of a trajectory */

static const nre_option OPTIONS[] = {
    HAMILTONIAN_OPTIONS("0.7"),
    {.name = "length",
     .type = NRE_REAL,
     .fallback = "1.5",
     .lo = 0,
     .hi = 1000,
     .flags = NRE_OPEN_LO,
     .help =
         "Mean length of trajectories in posterior deviations; 1.5 suits shapes near a "
         "Gaussian, longer ones bent or long-tailed shapes."},
};

static int create(const nre_host *host, const nre_values *values, void **self)
{
    settings *s = hamiltonian_settings(host, values);
    if (!s)
        return NRE_ENOMEM;
    s->length = host->get_real(values, "length");
    *self = s;
    return NRE_OK;
}

/* van der Corput in base 2: the bits of T behind the binary point, in reverse. */
static double corput(uint32_t t)
{
    uint32_t reverse = 0;
    for (int i = 0; i < 32; i++, t >>= 1)
        reverse = reverse << 1 | (t & 1);
    return (double)reverse / 4294967296.0;
}

static void begin_path(run *r, walker *w, nre_rng *rng)
{
    const group *g = group_of(r, (size_t)(w - r->walker));
    double steps = r->conf.length * (0.5 + corput(w->steps)) / g->step;
    (void)rng;
    w->left = steps < MOST_STEPS ? (uint32_t)fmax(1, round(steps)) : MOST_STEPS;
}

/* Only a point without density ends a trajectory early: then its reverse would have met it too. */
static int arrived(run *r, walker *w, nre_rng *rng)
{
    if (--w->left > 0 && w->tip->logp > -INFINITY)
        return 0;
    double gain = w->energy - energy_of(r, w->tip);
    w->accepted = acceptance(r, w);
    int accepted = rng->uniform(rng) < w->accepted;
    if (accepted)
        set_state(w, &w->tip->z, &w->tip->slope, w->tip->logp);
    counts_of(r, w)->n_divergent += gain > -MOST_ERROR ? 0 : 1;
    w->sum += accepted ? 1 : 0;
    w->points += 1;
    return 1;
}

static const kernel KERNEL = {.begin = begin_path, .arrived = arrived};

static int start(const void *self, const nre_host *host, const nre_target *target,
                 size_t n, const double *z0, nre_rng *const *rng, void **out)
{
    run *r = NULL;
    int status = hamiltonian_start(self, &KERNEL, host, target, n, z0, rng, &r);
    *out = r;
    return status;
}

static const nre_sampler_ops OPS = {.struct_size = sizeof OPS,
                                    .flags = NRE_NEEDS_GRADIENT,
                                    .start = start,
                                    .step = hamiltonian_step};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SAMPLER),
    .name = "hmc",
    .version = "1.0.0",
    .summary =
        "Hamiltonian Monte Carlo with adapted step and metric, many chains at once.",
    .reference = "Duane et al. 1987; Neal 2011; Hoffman & Gelman 2014",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.sampler = &OPS,
};
