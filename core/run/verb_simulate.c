/* nereid simulate: draw simulations to a file. */
#include "run/run.h"

#include <stdlib.h>
#include <string.h>

/* A config has a path or an ending; anything else is the name of a simulator. */
static bool is_config(const char *word)
{
    size_t n = strlen(word);
    return strchr(word, '/') || !strcmp(word, "-") || file_exists(word) ||
           (n > 5 && !strcmp(word + n - 5, ".yaml")) ||
           (n > 4 && !strcmp(word + n - 4, ".yml"));
}

static int set_parameter(const session *s, const char *name, const char *value,
                         double *theta)
{
    const prior *p = simulator_prior(s->simulator);
    size_t n = simulator_n_theta(s->simulator), i = 0;
    double lo, hi;
    while (i < n && strcmp(p->of[i].name, name) != 0)
        i++;
    if (i == n) {
        const char *near = text_nearest(name, n, simulator_names(s->simulator));
        return fail(NRE_EUSAGE, "--at: the simulator has no parameter '%s'%s%s", name,
                    near ? "; did you mean " : "", near ? near : "");
    }
    if (!text_to_real(value, &theta[i]))
        return fail(NRE_EUSAGE, "--at: %s: expected a number, found '%s'", name, value);
    marginal_support(&p->of[i], &lo, &hi);
    if (!(theta[i] >= lo && theta[i] <= hi))
        return fail(NRE_EUSAGE, "--at: %s = %g lies outside its prior %s", name, theta[i],
                    marginal_text(&p->of[i], s->arena));
    return NRE_OK;
}

/* "beta=2,rho=0.8" into theta, which holds the nominal values. */
static int parse_at(const session *s, const char *text, double *theta)
{
    char *copy = arena_copy(s->arena, text), *rest = NULL;
    int rc = copy ? NRE_OK : fail(NRE_ENOMEM, "no memory for --at");
    simulator_nominal(s->simulator, theta);
    for (char *item = rc ? NULL : strtok_r(copy, ",", &rest); item && !rc;
         item = strtok_r(NULL, ",", &rest)) {
        char *equals = strchr(item, '=');
        if (!equals)
            return fail(NRE_EUSAGE, "--at: expected NAME=VALUE, found '%s'", item);
        *equals = 0;
        rc = set_parameter(s, item, equals + 1, theta);
    }
    return rc;
}

static int save_rows(session *s, const command *c, size_t n, const double *at)
{
    size_t width = simulator_n_theta(s->simulator);
    double *theta = memory_new(n, width * sizeof *theta);
    float *x = memory_new(n, simulator_n_x(s->simulator) * sizeof *x);
    uint8_t *status = memory_new(n, 1);
    tally count = {0};
    const experiment *e = s->experiment;
    draw d = {.seed = c->has_seed ? c->seed
                      : e         ? e->seed
                                  : 0,
              .purpose = "simulate",
              .n = n,
              .at = at,
              .on_invalid = at  ? INVALID_REDRAW_X
                            : e ? (int)e->simulator.on_invalid
                                : INVALID_REDRAW_THETA};
    int rc = theta && x && status ? simulator_prepare(s->simulator)
                                  : fail(NRE_ENOMEM, "no memory for %zu simulations", n);
    if (!rc)
        rc = simulator_draw(s->simulator, s->workers, s->watch, &d, theta, x, status,
                            &count, NULL);
    if (!rc)
        rc = simulations_save(s->simulator, c->out, n, theta, x, status);
    if (!rc)
        log_say(NRE_INFO,
                "%zu simulations in %s (%llu invalid and drawn again, %llu drawn again "
                "by the "
                "simulator itself, %llu truncated)",
                n, c->out, (unsigned long long)count.invalid,
                (unsigned long long)count.redrawn, (unsigned long long)count.truncated);
    free(theta);
    free(x);
    free(status);
    return rc;
}

int verb_simulate(const command *c)
{
    session *s = NULL;
    double *at = NULL;
    if (c->n_arguments != 1 || !c->out)
        return fail(NRE_EUSAGE,
                    "nereid simulate takes a config or a simulator and a file: "
                    "nereid simulate CONFIG|NAME -n N -o FILE");
    watch *w = watch_new(c->progress);
    if (!w)
        return fail(NRE_ENOMEM, "no memory to start");
    session_request request = {
        .config = c->arguments[0], .command = c, .watch = watch_progress(w)};
    int rc = is_config(c->arguments[0]) ? session_open(&request, &s)
                                        : session_of_simulator(&request, &s);
    if (!rc && c->at) {
        at = memory_new(simulator_n_theta(s->simulator), sizeof *at);
        rc = at ? parse_at(s, c->at, at) : fail(NRE_ENOMEM, "no memory for --at");
    }
    if (!rc)
        rc = save_rows(s, c, c->has_n ? c->n : 1, at);
    free(at);
    session_close(s);
    watch_free(w);
    return rc;
}
