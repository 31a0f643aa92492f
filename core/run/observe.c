/* Observed rows of x: read from a file or simulated as a mock with known truth. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

/* theta of a mock: nominal values, those of the config's `at:` in their places. */
static void mock_theta(const session *s, double *theta)
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
    size_t rows = e->infer.observation.simulate.n, width = simulator_n_theta(s->simulator);
    double *at = memory_new(width, sizeof *at), *theta = memory_new(rows * width, sizeof *theta);
    uint8_t *status = memory_new(rows, 1);
    *x = memory_new(rows * simulator_n_x(s->simulator), sizeof **x);
    tally count = {0};
    draw d = {.seed = e->infer.observation.simulate.seed, .purpose = "observation", .n = rows,
              .at = at, .on_invalid = INVALID_REDRAW_X};
    int rc = at && theta && status && *x ? simulator_prepare(s->simulator)
                                         : fail(NRE_ENOMEM, "no memory for mock observations");
    if (!rc) {
        mock_theta(s, at);
        rc = simulator_draw(s->simulator, s->workers, NULL, &d, theta, *x, status, &count, NULL);
    }
    *n = rc ? 0 : rows;
    free(at);
    free(theta);
    free(status);
    return rc;
}

/* A copy of rows that were given by hand. */
static int given_rows(const run *r, size_t *n, float **x)
{
    size_t width = simulator_n_x(r->session->simulator);
    *x = memory_new(r->n_rows * width, sizeof **x);
    if (!*x)
        return fail(NRE_ENOMEM, "no memory for observations");
    memcpy(*x, r->rows, r->n_rows * width * sizeof **x);
    *n = r->n_rows;
    return NRE_OK;
}

int observations_of(const run *r, size_t *n, float **x)
{
    const experiment *e = r->session->experiment;
    *n = 0;
    *x = NULL;
    if (r->rows)
        return given_rows(r, n, x);
    if (e->infer.observation.simulate.wanted)
        return mock_rows(r->session, n, x);
    if (!e->infer.observation.file)
        return NRE_OK;
    return observation_read(r->session->simulator, e->infer.observation.file, n, x);
}
