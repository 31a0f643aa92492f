/* What the diagnostics of one target work on. */
#include "run/run.h"

#include <stdlib.h>

static void members_free(judged *j)
{
    for (size_t m = 0; j->member && m < j->n_members; m++)
        ratio_free(j->member[m]);
    free(j->member);
    free(j->members);
}

void judged_close(judged *j)
{
    members_free(j);
    estimator_close(j->estimator);
    loader_free(j->test);
    dataset_close(j->data);
}

/* Each network of an ensemble alone, without calibration. */
static int members_open(const run *r, size_t which, judged *j)
{
    const estimator *e = j->estimator;
    const truncation *left = rounds_truncation(r->session);
    if (e->n_members < 2)
        return NRE_OK;
    j->member = memory_new(e->n_members, sizeof *j->member);
    j->members = memory_new(e->n_members, sizeof *j->members);
    int rc =
        j->member && j->members ? NRE_OK : fail(NRE_ENOMEM, "no memory for networks");
    for (; j->n_members < e->n_members && !rc; j->n_members += !rc) {
        size_t m = j->n_members;
        rc = ratio_of_networks(&r->session->targets[which], 1, &e->models[m],
                               &e->scalings[m], &j->member[m]);
        if (!rc && left)
            rc = ratio_truncated(j->member[m], left, &j->member[m]);
        j->members[m] = (posterior){
            .ratio = j->member[m], .validity = e->validity, .truncation = left};
    }
    return rc;
}

int judged_open(run *r, size_t which, judged *j)
{
    session *s = r->session;
    size_t n = 0;
    const float *x = NULL;
    *j = (judged){0};
    int rc = uses_abc(s->experiment) ? NRE_OK : estimator_open(r, which, &j->estimator);
    if (!rc)
        rc = run_loader(r, 2, &j->data, &j->test);
    if (!rc)
        rc = observations_of(r, &n, &x);
    if (!rc && j->estimator)
        rc = members_open(r, which, j);
    if (rc) {
        judged_close(j);
        return rc;
    }
    j->subject = (subject){.posterior = j->estimator ? &j->estimator->posterior : NULL,
                           .test = j->test,
                           .seed = s->experiment->seed,
                           .pool = s->workers,
                           .watch = r->watch,
                           .simulator = s->simulator,
                           .on_invalid = (int)s->experiment->simulator.on_invalid,
                           .n_observed = n,
                           .observed = x,
                           .joint = r->joint,
                           .n_members = j->n_members,
                           .members = j->members};
    return NRE_OK;
}
