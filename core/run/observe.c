/* Observed rows of x: read from a file or simulated as a mock with known truth. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

/* Nominal values, those of the config's `at:` in their places. */
void mock_theta(const session *s, double *theta)
{
    const experiment *e = s->experiment;
    simulator_nominal(s->simulator, theta);
    for (size_t k = 0; k < e->infer.observation.simulate.n_at; k++)
        for (size_t i = 0; i < simulator_n_theta(s->simulator); i++)
            if (!strcmp(simulator_names(s->simulator)[i],
                        e->infer.observation.simulate.names[k]))
                theta[i] = e->infer.observation.simulate.values[k];
}

static int mock_rows(const session *s, size_t *n, float **x)
{
    const experiment *e = s->experiment;
    size_t rows = e->infer.observation.simulate.n,
           width = simulator_n_theta(s->simulator);
    double *at = memory_new(width, sizeof *at),
           *theta = memory_new(rows, width * sizeof *theta);
    uint8_t *status = memory_new(rows, 1);
    *x = memory_new(rows, simulator_n_x(s->simulator) * sizeof **x);
    tally count = {0};
    draw d = {.seed = e->infer.observation.simulate.seed,
              .purpose = "observation",
              .n = rows,
              .at = at,
              .on_invalid = INVALID_REDRAW_X};
    int rc = at && theta && status && *x
                 ? simulator_prepare(s->simulator)
                 : fail(NRE_ENOMEM, "no memory for mock observations");
    if (!rc) {
        mock_theta(s, at);
        rc = simulator_draw(s->simulator, s->workers, NULL, &d, theta, *x, status, &count,
                            NULL);
    }
    *n = rc ? 0 : rows;
    free(at);
    free(theta);
    free(status);
    return rc;
}

static int find_rows(const session *s, size_t *n, float **x)
{
    const experiment *e = s->experiment;
    *n = 0;
    *x = NULL;
    if (e->infer.observation.simulate.wanted)
        return mock_rows(s, n, x);
    if (!e->infer.observation.file)
        return NRE_OK;
    return observation_read(s->simulator, e->infer.observation.file, n, x);
}

static int remember_rows(run *r)
{
    session *s = r->session;
    size_t n = 0, width = simulator_n_x(s->simulator);
    float *x = NULL;
    int rc = find_rows(s, &n, &x);
    float *kept = rc ? NULL : arena_alloc(s->arena, n * width + 1, sizeof *kept);
    if (!rc && !kept)
        rc = fail(NRE_ENOMEM, "no memory for observations");
    if (!rc && n) {
        memcpy(kept, x, n * width * sizeof *kept);
        r->rows = kept;
        r->n_rows = n;
    }
    r->observed = !rc;
    free(x);
    return rc;
}

bool has_observation(const run *r)
{
    const experiment *e = r->session->experiment;
    return r->observed
               ? r->n_rows > 0
               : e->infer.observation.file || e->infer.observation.simulate.wanted;
}

int observations_of(run *r, size_t *n, const float **x)
{
    int rc = r->observed ? NRE_OK : remember_rows(r);
    *n = r->n_rows;
    *x = r->rows;
    return rc;
}
