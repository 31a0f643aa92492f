/* gd1_stream: the density along the GD-1 stellar stream, with impacts of dark-matter subhaloes.
 *
 * A globular cluster dissolves along its orbit; subhaloes of the Galaxy pass by and tear gaps
 * into the stream it leaves.  How many there are depends on the mass m_wdm of a thermal relic:
 * light particles are warm and make few small haloes (Lovell et al. 2014).  The stream is modelled
 * in frequencies and angles, where each impact is a kick and the density follows by linear
 * algebra (Bovy 2014; Sanders, Bovy & Erkal 2016; Bovy, Erkal & Sanders 2017); encounters are drawn
 * after Erkal et al. (2016).  x is the density in 62 bins of phi1, as Hermans et al. (2020,
 * arXiv:2011.14923) simulate it; the defaults keep what their code does. */
#include "gd1.h"

#include <math.h>

enum { M_WDM, T_AGE, N_THETA };
enum { TRIES = 1000 }; /* redraws of a stream that folds over itself */

static const nre_theta THETA[N_THETA] = {
    [M_WDM] = {.name = "m_wdm",
               .label = "m_{WDM}",
               .unit = "keV",
               .prior = NRE_UNIFORM,
               .a = 1,
               .b = 50,
               .nominal = 10},
    [T_AGE] = {.name = "t_age",
               .label = "t_{age}",
               .unit = "Gyr",
               .prior = NRE_UNIFORM,
               .a = 3,
               .b = 7,
               .nominal = 5},
};

static const nre_theta DERIVED[] = {
    {.name = "log_m_half_mode", .label = "\\log_{10} M_{hm}", .unit = "log10 Msun"}};

static const nre_field FIELDS[] = {
    {.name = "density",
     .label = "density along the stream",
     .shape = {.rank = 1, .dim = {BINS}},
     .at = BIN_PHI1,
     .at_label = "\\phi_1 [deg]"},
};

static const nre_option OPTIONS[] = {
    {.name = "propagation",
     .type = NRE_CHOICE,
     .fallback = "original",
     .choices = "original|exact",
     .help = "exact: the density of a stream hit at several times as it follows; "
             "original: as the published code computes it, which forgets a term (a few "
             "per cent)."},
    {.name = "normalisation",
     .type = NRE_CHOICE,
     .fallback = "density",
     .choices = "density|contrast",
     .help = "density: divided by its mean; contrast: then also less its straight line "
             "in phi1."},
    {.name = "impact_times",
     .type = NRE_CHOICE,
     .fallback = "last_gyr",
     .choices = "last_gyr|whole_age",
     .help = "last_gyr: all impacts fall on the last Gyr, as in the published code, "
             "although their number counts the whole age; whole_age: at 64 times over "
             "the age."},
    {.name = "rate_radius",
     .unit = "kpc",
     .type = NRE_REAL,
     .fallback = "1.62",
     .lo = 0,
     .hi = 100,
     .flags = NRE_OPEN_LO,
     .help = "Scale radius at 1e8 Msun in the rate of encounters; the subhaloes that are "
             "drawn have 1.05, for which the published 1.62 gives 1.54 times too many."},
    {.name = "velocity_dispersion",
     .unit = "km/s Gyr",
     .type = NRE_REAL,
     .fallback = "0.96",
     .lo = 0.6,
     .hi = 4,
     .help = "Velocity dispersion of the progenitor times the age of the stream."},
    {.name = "mean_offset",
     .type = NRE_REAL,
     .fallback = "6",
     .lo = 3,
     .hi = 12,
     .help = "Mean frequency offset of stripped stars, in units of its dispersion."},
    {.name = "chunks",
     .type = NRE_INT,
     .fallback = "0",
     .lo = 0,
     .hi = MOST_CHUNKS,
     .help = "Points that carry a track at a time of impact, 4 to 32; 0: the 6 to 8 of "
             "the published code; 12 or more: converged."},
    {.name = "rejection",
     .type = NRE_CHOICE,
     .fallback = "redraw",
     .choices = "redraw|invalid",
     .help = "A stream that folds over itself in phi1 is drawn again with the same "
             "parameters, as in the published code, or is an invalid row."},
    {.name = "ages",
     .unit = "Gyr",
     .type = NRE_REAL_LIST,
     .fallback = "[3, 7]",
     .lo = 1.2,
     .hi = 14,
     .flags = NRE_OPEN_LO,
     .help = "Least and largest age that the table of tracks covers."},
    {.name = "observed",
     .type = NRE_PATH,
     .help = "Measured density whose errors make the noise: columns phi1_deg, "
             "linear_density, error.  Default: de Boer et al. (2020)."},
    {.name = "noise_scale",
     .type = NRE_REAL,
     .fallback = "1",
     .lo = 0,
     .hi = 100,
     .help =
         "Factor of the measured errors: 0 for none, 0.5 for a survey twice as good."},
};

typedef struct gd1 {
    const nre_host *host;
    model model;
    bool contrast, redraw;
    const char *observed;
    double noise_scale;
    float error[BINS];
} gd1;

static int read_ages(const nre_host *host, const nre_values *values, gd1 *g)
{
    const double *ages;
    if (host->get_reals(values, "ages", &ages) != 2)
        return host->fail(host, NRE_EINVAL, "ages: give two, the least and the largest");
    g->model.plan.ages[0] = ages[0];
    g->model.plan.ages[1] = ages[1];
    return NRE_OK;
}

static int create(const nre_host *host, const nre_values *values, void **self)
{
    gd1 *g = host->alloc(host, 1, sizeof *g);
    if (!g)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    g->host = host;
    g->model.exact = host->get_int(values, "propagation") == 1;
    g->contrast = host->get_int(values, "normalisation") == 1;
    g->redraw = host->get_int(values, "rejection") == 0;
    g->observed = host->get_string(values, "observed");
    g->noise_scale = host->get_real(values, "noise_scale");
    g->model.radius = host->get_real(values, "rate_radius");
    table_plan *p = &g->model.plan;
    p->whole_age = host->get_int(values, "impact_times") == 1;
    p->chunks = (uint32_t)host->get_int(values, "chunks");
    p->velocity_dispersion = host->get_real(values, "velocity_dispersion");
    p->offsets = host->get_real(values, "mean_offset");
    int status = read_ages(host, values, g);
    const char *wrong = status == NRE_OK ? table_plan_wrong(p) : NULL;
    *self = g;
    return wrong ? host->fail(host, NRE_EINVAL, "%s", wrong) : status;
}

static int info(const void *self, nre_simulator_info *out)
{
    (void)self;
    out->n_theta = N_THETA;
    out->theta_size = sizeof THETA[0];
    out->theta = THETA;
    out->n_fields = 1;
    out->field_size = sizeof FIELDS[0];
    out->fields = FIELDS;
    out->n_derived = 1;
    out->derived = DERIVED;
    return NRE_OK;
}

/* Where the transfer function of warm dark matter is one half (see subhaloes.c). */
static int derived(const void *self, size_t n, const double *theta, double *out)
{
    (void)self;
    for (size_t i = 0; i < n; i++)
        out[i] = log10(half_mode_mass(theta[i * N_THETA + M_WDM]));
    return NRE_OK;
}

typedef struct table_job {
    const table_plan *plan;
    const nre_host *host;
    progenitor of;
} table_job;

static int build(void *context, void *table)
{
    const table_job *j = context;
    j->host->log(j->host, NRE_INFO,
                 "tracks of the stream at %d ages and %d times: a few minutes, once",
                 NODES, TIMES + 1);
    return table_build(j->plan, &j->of, j->host, table);
}

static int find_table(gd1 *g, const nre_host *host)
{
    table_job job = {.plan = &g->model.plan, .host = host};
    const void *table;
    orbit_space *space = orbit_space_new();
    if (!space)
        return host->fail(host, NRE_ENOMEM, "no memory for an orbit");
    progenitor_measure(job.plan->velocity_dispersion, space, &job.of);
    orbit_space_free(space);
    int status = host->table(host, "tracks", table_key(job.plan),
                             table_bytes(job.plan, &job.of), build, &job, &table);
    g->model.table = table;
    return status;
}

static int prepare(void *self, const nre_host *host)
{
    gd1 *g = self;
    double density[BINS], error[BINS];
    const char *path =
        g->observed ? g->observed : host->data_file(host, "gd1-density.csv");
    int status = path ? measured_density(host, path, density, error) : NRE_EIO;
    for (size_t i = 0; status == NRE_OK && i < BINS; i++)
        g->error[i] = (float)(g->noise_scale * error[i]);
    return status == NRE_OK ? find_table(g, host) : status;
}

static int worker(const void *self, const nre_host *host, void **work)
{
    (void)self;
    *work = stream_space_new();
    return *work ? NRE_OK : host->fail(host, NRE_ENOMEM, "no memory for a stream");
}

static void worker_end(void *work)
{
    stream_space_free(work);
}

static int check_theta(const gd1 *g, const double *theta)
{
    const double *ages = g->model.plan.ages;
    if (!(theta[M_WDM] > 0))
        return g->host->fail(g->host, NRE_EINVAL, "m_wdm = %g keV must be above 0",
                             theta[M_WDM]);
    if (!(theta[T_AGE] >= ages[0] && theta[T_AGE] <= ages[1]))
        return g->host->fail(
            g->host, NRE_EINVAL,
            "t_age = %g Gyr lies outside of the tables' ages, %g to %g Gyr: "
            "change `ages` of the simulator",
            theta[T_AGE], ages[0], ages[1]);
    return NRE_OK;
}

/* Again while the stream folds over itself. */
static int draw_stream(const gd1 *g, const double *theta, nre_rng *rng,
                       stream_space *space, stream *out, uint8_t *row)
{
    int status = NRE_ENUMERIC, tries = 0;
    for (; status == NRE_ENUMERIC && tries < (g->redraw ? TRIES : 1); tries++)
        status =
            stream_draw(&g->model, theta[M_WDM], theta[T_AGE], rng, space, out, NULL);
    *row = status == NRE_ENUMERIC ? NRE_ROW_INVALID
           : tries > 1            ? NRE_ROW_REDRAWN
                                  : NRE_ROW_OK;
    if (status == NRE_EINVAL)
        return g->host->fail(
            g->host, status,
            "m_wdm = %g keV, t_age = %g Gyr: too many impacts, more than "
            "%d expected: lower rate_radius",
            theta[M_WDM], theta[T_AGE], MOST_IMPACTS / 2);
    return status == NRE_ENUMERIC ? NRE_OK : status;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    const gd1 *g = self;
    stream s;
    int status = NRE_OK;
    for (size_t i = 0; status == NRE_OK && i < batch->n; i++) {
        const double *theta = batch->theta + i * N_THETA;
        status = check_theta(g, theta);
        if (status == NRE_OK)
            status = draw_stream(g, theta, batch->rng[i], work, &s, &batch->status[i]);
        if (status == NRE_OK && batch->status[i] != NRE_ROW_INVALID)
            normalise(s.observed + FIRST_BIN, g->contrast, batch->x + i * BINS);
    }
    return status;
}

static int perturb(const void *self, void *work, nre_batch *batch)
{
    const gd1 *g = self;
    (void)work;
    for (size_t i = 0; i < batch->n; i++)
        for (size_t j = 0; j < BINS; j++)
            batch->x[i * BINS + j] +=
                g->error[j] * (float)batch->rng[i]->normal(batch->rng[i]);
    return NRE_OK;
}

/* The same division by a straight line for both normalisations: that of the contrast leaves
 * what is then a line with slope 0 alone. */
static int observation(const void *self, const nre_host *host, const char *path,
                       size_t *n, float **x)
{
    double density[BINS], error[BINS];
    (void)self;
    float *out = host->alloc(host, BINS, sizeof *out);
    if (!out)
        return host->fail(host, NRE_ENOMEM, "no memory for an observation");
    int status = measured_density(host, path, density, error);
    for (size_t i = 0; status == NRE_OK && i < BINS; i++)
        out[i] = (float)density[i];
    *n = 1;
    *x = out;
    return status;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .derived = derived,
    .prepare = prepare,
    .worker = worker,
    .worker_end = worker_end,
    .simulate = simulate,
    .perturb = perturb,
    .observation = observation,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "gd1_stream",
    .version = "1.0.0",
    .summary = "Density along the GD-1 stellar stream with impacts of warm-dark-matter "
               "subhaloes.",
    .reference = "Hermans et al. 2020, arXiv:2011.14923; Bovy, Erkal & Sanders 2017, "
                 "MNRAS 466, 628",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops = {.simulator = &OPS},
};
