/* infer/narrow.c - what is left of draws and grids when parameters are integrated out. */
#include "infer/infer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double NEGLIGIBLE = 200; /* nats below the densest cell */

static int copy(size_t n, const double *from, double **out)
{
    *out = from ? memory_new(n, sizeof **out) : NULL;
    if (from && !*out)
        return fail(NRE_ENOMEM, "no memory for the draws of fewer parameters");
    if (from)
        memcpy(*out, from, n * sizeof **out);
    return NRE_OK;
}

int chains_narrow(const chains *c, uint32_t n, const uint32_t *which, chains *out)
{
    size_t draws = c->n_chains * c->n_draws;
    *out = *c;
    out->dim = n;
    out->log_posterior = out->weight = NULL;
    out->theta = memory_new(draws * n, sizeof *out->theta);
    out->r_hat = memory_new(3 * (size_t)n, sizeof *out->r_hat);
    out->ess_bulk = out->r_hat + n;
    out->ess_tail = out->ess_bulk + n;
    int status = out->theta && out->r_hat
                     ? copy(draws, c->log_posterior, &out->log_posterior)
                     : fail(NRE_ENOMEM, "no memory for the draws of fewer parameters");
    if (status == NRE_OK)
        status = copy(draws, c->weight, &out->weight);
    if (status != NRE_OK) {
        chains_release(out);
        return status;
    }
    for (size_t i = 0; i < draws; i++)
        for (uint32_t k = 0; k < n; k++)
            out->theta[i * n + k] = c->theta[i * c->dim + which[k]];
    for (uint32_t k = 0; k < n; k++) {
        out->r_hat[k] = c->r_hat[which[k]];
        out->ess_bulk[k] = c->ess_bulk[which[k]];
        out->ess_tail[k] = c->ess_tail[which[k]];
        if (!c->weight)
            out->effective =
                k ? fmin(out->effective, out->ess_bulk[k]) : out->ess_bulk[0];
    }
    return NRE_OK;
}

/* Place of cell I of G in the grid of WHICH [n] alone. */
static size_t place_in(const grid *g, uint32_t n, const uint32_t *which, size_t i)
{
    size_t digit[3] = {0}, out = 0;
    for (uint32_t k = g->dim; k-- > 0; i /= g->m)
        digit[k] = i % g->m;
    for (uint32_t k = 0; k < n; k++)
        out = out * g->m + digit[which[k]];
    return out;
}

static int lay(const grid *g, const target *t, const uint32_t *which, grid *out)
{
    size_t d = t->n, m = g->m, n = 1;
    for (uint32_t k = 0; k < d; k++)
        n *= m;
    double *p = room_take(&out->memory, d * (2 * m + 1) + 3 * n, sizeof *p);
    if (!p)
        return fail(NRE_ENOMEM, "no memory for a grid of %zu cells", n);
    out->dim = t->n;
    out->m = m;
    out->n = n;
    out->target = t;
    out->axis = p;
    out->edge = p + d * m;
    out->log_ratio = out->edge + d * (m + 1);
    out->weight = out->log_ratio + n;
    out->log_density = out->weight + n;
    out->resolved = g->resolved;
    out->log_area = g->log_area;
    for (uint32_t k = 0; k < d; k++) {
        memcpy(out->axis + k * m, g->axis + which[k] * m, m * sizeof *p);
        memcpy(out->edge + k * (m + 1), g->edge + which[k] * (m + 1),
               (m + 1) * sizeof *p);
        memcpy(out->box[k], g->box[which[k]], sizeof out->box[k]);
    }
    return NRE_OK;
}

/* Log prior of cell I of G, of the axes whose bits are set in AXES. */
static double log_prior_of(const grid *g, size_t i, unsigned axes)
{
    double sum = 0;
    for (uint32_t k = g->dim; k-- > 0; i /= g->m)
        if (axes & 1u << k)
            sum += cell_log_prior(target_marginal(g->target, k),
                                  g->axis[k * g->m + i % g->m]);
    return sum;
}

/* The density at the points of the axes that stay, a sum over the cells of the others by
 * their prior mass. */
static void integrate(const grid *g, uint32_t n, const uint32_t *which, grid *out)
{
    double most = -INFINITY, log_cell = 0;
    unsigned others = ~0u;
    for (uint32_t k = 0; k < n; k++)
        others &= ~(1u << which[k]);
    for (uint32_t k = 0; k < g->dim; k++)
        log_cell += log((g->box[k][1] - g->box[k][0]) / (double)g->m);
    for (uint32_t k = 0; k < n; k++)
        log_cell -= log((out->box[k][1] - out->box[k][0]) / (double)g->m);
    for (size_t i = 0; i < out->n; i++)
        out->weight[i] = out->log_density[i] = 0;
    for (size_t i = 0; i < g->n; i++)
        most = fmax(most, g->log_density[i]);
    for (size_t i = 0; i < g->n; i++) {
        size_t to = place_in(g, n, which, i);
        out->weight[to] += g->weight[i];
        if (g->log_density[i] > most - NEGLIGIBLE)
            out->log_density[to] +=
                exp(g->log_density[i] - most - log_prior_of(g, i, others) + log_cell);
    }
    for (size_t i = 0; i < out->n; i++)
        out->log_density[i] = log(out->log_density[i]) + most;
}

int grid_narrow(const grid *g, const target *t, const uint32_t *which, grid *out)
{
    double entropy = 0;
    int status = lay(g, t, which, out);
    if (status != NRE_OK)
        return status;
    integrate(g, t->n, which, out);
    for (size_t i = 0; i < out->n; i++) {
        double w = out->weight[i];
        entropy -= w > 0 ? w * log(w) : 0;
        out->log_ratio[i] = out->log_density[i] - log_prior_of(out, i, ~0u) + g->log_area;
    }
    out->cells = exp(entropy);
    return NRE_OK;
}
