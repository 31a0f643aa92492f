/* What several observations together make of the error of the networks, for the summary. */
#include "run/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DRAWS = 400 }; /* of the posterior, where the networks are compared */

/* DRAWS equally weighted draws of C, spread evenly over all of them: theta [DRAWS][dim]. */
static void choose(const chains *c, double *theta)
{
    size_t n = c->n_chains * c->n_draws, at = 0;
    double total = 0, sum;
    for (size_t i = 0; i < n; i++)
        total += c->weight ? c->weight[i] : 1;
    sum = c->weight ? c->weight[0] : 1;
    for (size_t i = 0; i < DRAWS; i++) {
        double wanted = total * ((double)i + 0.5) / DRAWS;
        while (sum < wanted && at + 1 < n) {
            at++;
            sum += c->weight ? c->weight[at] : 1;
        }
        memcpy(theta + i * c->dim, c->theta + at * c->dim, c->dim * sizeof *theta);
    }
}

static int compare(const posterior_request *r, const double *theta, growth *out)
{
    const estimator *e = r->estimator;
    ratio **member = memory_new(e->n_members, sizeof *member);
    int rc = member ? NRE_OK : fail(NRE_ENOMEM, "no memory to compare networks");
    for (size_t m = 0; m < e->n_members && !rc; m++)
        rc = ratio_of_networks(ratio_target(e->ratio), 1, &e->models[m], &e->scalings[m],
                               &member[m]);
    if (!rc)
        rc = growth_of(e->n_members, member, r->n_rows, r->x, DRAWS, theta, out);
    for (size_t m = 0; m < e->n_members && member; m++)
        ratio_free(member[m]);
    free(member);
    return rc;
}

/* Why it is not known; NULL: it is. */
static const char *unknown(const posterior_request *r)
{
    switch (r->session->experiment->estimator) {
    case ESTIMATOR_EXACT:
        return "the ratio is exact: it has no error that could grow";
    case ESTIMATOR_PRIOR:
        return "the prior has no network whose error could grow";
    default:
        return r->estimator->n_members > 1
                   ? NULL
                   : "the error of a single network cannot be known, and it grows with "
                     "every row, up to as many times as there are rows; train several:  "
                     "train: {ensemble: 5}";
    }
}

int growth_add(const posterior_request *r, const chains *c, json_t *observation)
{
    const char *reason = unknown(r);
    growth g = {NAN, NAN, NAN};
    double *theta = NULL;
    int rc = NRE_OK;
    if (!reason) {
        theta = memory_new((size_t)DRAWS * c->dim, sizeof *theta);
        if (!theta)
            return fail(NRE_ENOMEM, "no memory to compare networks");
        choose(c, theta);
        rc = compare(r, theta, &g);
        free(theta);
    }
    if (rc)
        return rc;
    json_t *j = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "rows", (json_int_t)r->n_rows,
                          "networks", (json_int_t)r->estimator->n_members, "one_row",
                          json_number(g.one), "all_rows", json_number(g.joint), "times",
                          json_number(g.joint / g.one), "shift", json_number(g.shift));
    if (reason)
        json_object_set_new(j, "reason", json_string(reason));
    json_object_set_new(observation, "growth", j);
    return NRE_OK;
}
