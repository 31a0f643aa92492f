/* data/draw.c - rows of a simulator, in parallel, each call into the plugin guarded. */
#include "data/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { ATTEMPTS_MOST = 10000 };
enum { POLICY_ERROR = 0, POLICY_REDRAW_X = 1, POLICY_REDRAW_THETA = 2 };

/* A NaN that no arithmetic makes: what has not been written shows it. */
static const uint32_t CANARY = 0x7fc0deadu;
enum { STATUS_CANARY = 0xa5 };

/* one guarded call */

/* The first N rows of a workspace: theta, item and, for noise, x are filled in. */
typedef struct call {
    const simulator *s;
    workspace *w;
    bool noise; /* perturb(), else simulate() */
    size_t n;
    rng_key key;
    uint64_t attempt; /* or epoch */
    uint64_t total;   /* rows of the whole draw, for messages; 0: unknown */
} call;

static const char *function_of(const call *c)
{
    return c->noise ? "perturb" : "simulate";
}

static const char *plugin_name(const simulator *s)
{
    return simulator_instance(s)->plugin->table->name;
}

/* "row 17 of 4096, theta = (0.3, 1.2)" put before the message. */
static int at_row(const call *c, size_t i, int status)
{
    size_t d = simulator_n_theta(c->s), used = 0;
    char theta[256], total[32] = "";
    for (size_t k = 0; k < d && used < sizeof theta - 32; k++)
        used += (size_t)snprintf(theta + used, sizeof theta - used, "%s%.6g",
                                 k ? ", " : "", c->w->theta[i * d + k]);
    if (used >= sizeof theta - 32)
        snprintf(theta + used, sizeof theta - used, ", ...");
    if (c->total)
        snprintf(total, sizeof total, " of %" PRIu64, c->total);
    return fail_within(status, "row %" PRIu64 "%s, theta = (%s)", c->w->item[i], total,
                       theta);
}

static void set_canaries(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(&x[i], &CANARY, sizeof CANARY);
}

static bool is_canary(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits == CANARY;
}

/* Streams at their start, statuses OK, everything that the plugin must write or must not
 * touch marked. */
static void set_up(const call *c)
{
    workspace *w = c->w;
    size_t n_x = simulator_n_x(c->s), from = c->noise ? c->n * n_x : 0;
    for (size_t i = 0; i < c->n; i++)
        rng_start(&w->stream[i], c->key, w->item[i], c->attempt);
    set_canaries(w->x + from, (c->n + 1) * n_x + GUARD - from);
    memset(w->status, NRE_ROW_OK, c->n);
    memset(w->status + c->n, STATUS_CANARY, GUARD);
}

static int call_plugin(const call *c, size_t first, size_t n)
{
    const simulator *s = c->s;
    const nre_simulator_ops *ops = simulator_ops(s);
    const instance *of = simulator_instance(s);
    workspace *w = c->w;
    nre_batch batch = {sizeof batch,
                       n,
                       w->theta + first * simulator_n_theta(s),
                       w->pointer + first,
                       w->x + first * simulator_n_x(s),
                       w->status + first};
    crash_enter(of->plugin->table, function_of(c), w->item[first],
                w->item[first + n - 1]);
    int status = (c->noise ? ops->perturb : ops->simulate)(of->self, w->work, &batch);
    crash_leave();
    return status == NRE_OK ? NRE_OK
                            : plugin_failed(of->plugin->table, function_of(c), status);
}

static bool guards_stand(const call *c)
{
    size_t n_x = simulator_n_x(c->s);
    const float *x = c->w->x + c->n * n_x;
    for (size_t i = 0; i < n_x + GUARD; i++)
        if (!is_canary(x[i]))
            return false;
    for (size_t i = 0; i < GUARD; i++)
        if (c->w->status[c->n + i] != STATUS_CANARY)
            return false;
    return true;
}

static int at_rows(const call *c, int status)
{
    return fail_within(status, "rows %" PRIu64 "..%" PRIu64, c->w->item[0],
                       c->w->item[c->n - 1]);
}

/* The batch failed as a whole.  Rows know nothing of each other, so each alone tells
 * which it was; of simulate() only, since perturb() has changed its input. */
static int find_culprit(const call *c, int status)
{
    char said[512];
    if (c->n == 1)
        return at_row(c, 0, status);
    if (c->noise || status == NRE_ECANCELLED || status == NRE_ENOMEM)
        return at_rows(c, status);
    snprintf(said, sizeof said, "%s", error_message());
    for (size_t i = 0; i < c->n; i++) {
        rng_start(&c->w->stream[i], c->key, c->w->item[i], c->attempt);
        c->w->status[i] = NRE_ROW_OK;
        int alone = call_plugin(c, i, 1);
        if (alone != NRE_OK)
            return at_row(c, i, alone);
    }
    fail(status,
         "%s (none of these rows fails alone, yet rows must not depend on each other)",
         said);
    return at_rows(c, status);
}

/* Which field and place in it value J of a row is. */
static int fail_value(const call *c, size_t i, size_t j)
{
    float value = c->w->x[i * simulator_n_x(c->s) + j];
    char name[96];
    x_name(c->s, j, sizeof name, name);
    if (is_canary(value))
        fail(NRE_EPLUGIN, "simulator '%s': %s(): %s was not written", plugin_name(c->s),
             function_of(c), name);
    else
        fail(NRE_EPLUGIN,
             "simulator '%s': %s(): %s is %s in a row not marked NRE_ROW_INVALID",
             plugin_name(c->s), function_of(c), name,
             isnan(value) ? "not a number" : "infinite");
    return at_row(c, i, NRE_EPLUGIN);
}

static int check_row(const call *c, size_t i)
{
    size_t n_x = simulator_n_x(c->s);
    const float *x = c->w->x + i * n_x;
    uint8_t status = c->w->status[i];
    if (status > NRE_ROW_INVALID || (c->noise && status == NRE_ROW_INVALID)) {
        fail(NRE_EPLUGIN, "simulator '%s': %s(): %u is no status of a row",
             plugin_name(c->s), function_of(c), status);
        return at_row(c, i, NRE_EPLUGIN);
    }
    if (status == NRE_ROW_INVALID)
        return NRE_OK;
    for (size_t j = 0; j < n_x; j++)
        if (!isfinite(x[j]))
            return fail_value(c, i, j);
    return NRE_OK;
}

static int guarded(const call *c)
{
    if (c->n == 0)
        return NRE_OK;
    set_up(c);
    int status = call_plugin(c, 0, c->n);
    if (status != NRE_OK)
        return find_culprit(c, status);
    if (!guards_stand(c))
        return fail(NRE_EPLUGIN,
                    "simulator '%s': %s(): wrote past the end of a batch of %zu rows "
                    "(x has %zu values a row, status one byte)",
                    plugin_name(c->s), function_of(c), c->n, simulator_n_x(c->s));
    for (size_t i = 0; i < c->n && status == NRE_OK; i++)
        status = check_row(c, i);
    return status;
}

/* a block of rows */

typedef struct block_result {
    tally tally;
    double *invalid; /* theta of invalid attempts [tally.invalid][n_theta] */
    size_t room;
} block_result;

typedef struct job {
    const simulator *s;
    const draw *d;
    progress *watch;
    rng_key theta_key, x_key, noise_key;
    double *theta;
    float *x;
    uint8_t *status;
    block_result *results;     /* [blocks] */
    atomic_uint_fast64_t done; /* rows */
    uint64_t before, total;    /* rows of the whole task, for progress */
    uint64_t last;             /* one past the last row's number, for messages */
} job;

typedef struct block {
    job *j;
    workspace *w;
    block_result *result;
    size_t first, n; /* in the job's arrays */
    size_t n_pending;
    proposer proposer; /* where a part of the prior is left */
    uint64_t *tried;   /* [n] proposals that a row has seen */
} block;

static int keep_invalid(block *b, const double *theta)
{
    block_result *r = b->result;
    size_t d = simulator_n_theta(b->j->s), used = (size_t)r->tally.invalid;
    if (used == r->room) {
        size_t room = r->room ? 2 * r->room : 16;
        double *more = realloc(r->invalid, room * d * sizeof *more);
        if (!more)
            return fail(NRE_ENOMEM, "no memory for invalid rows");
        r->invalid = more;
        r->room = room;
    }
    memcpy(r->invalid + used * d, theta, d * sizeof *theta);
    r->tally.invalid++;
    return NRE_OK;
}

/* Nothing of theta comes from the prior. */
static bool all_given(const job *j)
{
    const theta_given *g = j->d->given;
    return j->d->at || (g && g->n == simulator_n_theta(j->s));
}

/* theta of row I of the block, of an attempt at a simulation. */
static int draw_theta(block *b, size_t i, uint64_t attempt)
{
    const job *j = b->j;
    uint64_t row = j->d->first + b->first + i;
    double *theta = b->w->row_theta + i * simulator_n_theta(j->s);
    return j->d->keep ? propose(&b->proposer, j->theta_key, row, &b->tried[i], theta)
                      : prior_sample(simulator_prior(j->s), j->theta_key, row, attempt, 1,
                                     theta);
}

/* What comes from the prior; those pending at the first attempt are all rows of the block. */
static int draw_thetas(block *b, uint64_t attempt)
{
    const job *j = b->j;
    bool redraw = attempt == 0 || j->d->on_invalid == POLICY_REDRAW_THETA;
    int status = NRE_OK;
    if (attempt == 0 && !j->d->keep)
        return prior_sample(simulator_prior(j->s), j->theta_key, j->d->first + b->first,
                            0, b->n, b->w->row_theta);
    for (size_t k = 0; redraw && k < b->n_pending && status == NRE_OK; k++)
        status = draw_theta(b, b->w->pending[k], attempt);
    return status;
}

static void lay_given(block *b)
{
    const draw *d = b->j->d;
    const size_t n_theta = simulator_n_theta(b->j->s);
    for (size_t i = 0; d->at && i < b->n; i++)
        memcpy(b->w->row_theta + i * n_theta, d->at, n_theta * sizeof(double));
    for (size_t i = 0; d->given && i < b->n; i++)
        for (size_t k = 0; k < d->given->n; k++)
            b->w->row_theta[i * n_theta + d->given->which[k]] =
                d->given->theta[(b->first + i) * d->given->step + k];
}

/* theta of the pending rows. */
static int choose_theta(block *b, uint64_t attempt)
{
    int status = all_given(b->j) ? NRE_OK : draw_thetas(b, attempt);
    if (status == NRE_OK)
        lay_given(b);
    return status;
}

static int refuse_invalid(const call *c, size_t k, uint64_t attempt)
{
    if (attempt == 0)
        fail(NRE_ENUMERIC,
             "simulator '%s': the simulation is invalid and simulator.on_invalid is "
             "error; redraw_theta draws such rows anew",
             plugin_name(c->s));
    else
        fail(NRE_ENUMERIC,
             "simulator '%s': %d attempts were all invalid; narrow the prior",
             plugin_name(c->s), ATTEMPTS_MOST);
    return at_row(c, k, NRE_ENUMERIC);
}

/* Valid rows move to the front of the workspace, invalid ones stay pending. */
static int sort_out(block *b, call *c, uint64_t attempt)
{
    workspace *w = b->w;
    size_t d = simulator_n_theta(c->s), n_x = simulator_n_x(c->s), valid = 0, left = 0;
    for (size_t k = 0; k < c->n; k++) {
        size_t row = w->pending[k];
        if (w->status[k] == NRE_ROW_INVALID) {
            if (b->j->d->on_invalid == POLICY_ERROR || attempt + 1 == ATTEMPTS_MOST)
                return refuse_invalid(c, k, attempt);
            int status = keep_invalid(b, w->theta + k * d);
            if (status != NRE_OK)
                return status;
            w->redo[left++] = row;
            continue;
        }
        b->result->tally.truncated += w->status[k] == NRE_ROW_TRUNCATED;
        b->result->tally.redrawn += w->status[k] == NRE_ROW_REDRAWN;
        if (b->j->status)
            b->j->status[b->first + row] = w->status[k];
        memmove(w->theta + valid * d, w->theta + k * d, d * sizeof(double));
        memmove(w->x + valid * n_x, w->x + k * n_x, n_x * sizeof(float));
        w->item[valid] = w->item[k];
        w->pending[valid++] = row;
    }
    c->n = valid;
    b->n_pending = left;
    return NRE_OK;
}

static void deliver(const block *b, const call *c)
{
    size_t d = simulator_n_theta(c->s), n_x = simulator_n_x(c->s);
    for (size_t k = 0; k < c->n; k++) {
        size_t row = b->first + b->w->pending[k];
        if (b->j->theta)
            memcpy(b->j->theta + row * d, b->w->theta + k * d, d * sizeof(double));
        if (b->j->x)
            memcpy(b->j->x + row * n_x, b->w->x + k * n_x, n_x * sizeof(float));
    }
}

static int attempt_pending(block *b, uint64_t attempt)
{
    job *j = b->j;
    workspace *w = b->w;
    size_t d = simulator_n_theta(j->s);
    int status = choose_theta(b, attempt);
    if (status != NRE_OK)
        return status;
    for (size_t k = 0; k < b->n_pending; k++) {
        memcpy(w->theta + k * d, w->row_theta + w->pending[k] * d, d * sizeof(double));
        w->item[k] = j->d->first + b->first + w->pending[k];
    }
    call c = {j->s, w, false, b->n_pending, j->x_key, attempt, j->last};
    b->result->tally.attempts += b->n_pending;
    if ((status = guarded(&c)) != NRE_OK || (status = sort_out(b, &c, attempt)) != NRE_OK)
        return status;
    if (simulator_has_noise(j->s) && !j->d->clean) {
        call noise = {j->s, w, true, c.n, j->noise_key, 0, j->last};
        if ((status = guarded(&noise)) != NRE_OK)
            return status;
    }
    deliver(b, &c);
    memcpy(w->pending, w->redo, b->n_pending * sizeof *w->pending);
    return NRE_OK;
}

static int open_proposer(block *b)
{
    const job *j = b->j;
    if (!j->d->keep || all_given(j))
        return NRE_OK;
    b->tried = memory_new(b->n, sizeof *b->tried);
    return b->tried ? proposer_new(simulator_prior(j->s), j->d->keep, &b->proposer)
                    : fail(NRE_ENOMEM, "no memory for proposals of theta");
}

static int draw_block(void *context, size_t i, unsigned worker)
{
    job *j = context;
    size_t rows = simulator_block(j->s);
    block b = {.j = j, .result = &j->results[i], .first = i * rows};
    b.n = b.n_pending = j->d->n - b.first < rows ? j->d->n - b.first : rows;
    int status = simulator_workspace(j->s, worker, &b.w);
    if (status == NRE_OK)
        status = open_proposer(&b);
    for (size_t k = 0; status == NRE_OK && k < b.n; k++)
        b.w->pending[k] = k;
    for (uint64_t attempt = 0; status == NRE_OK && b.n_pending > 0; attempt++) {
        status = attempt_pending(&b, attempt);
        if (status == NRE_OK && b.n_pending > 0)
            status = stop_check();
    }
    proposer_release(&b.proposer);
    free(b.tried);
    if (status != NRE_OK)
        return status;
    b.result->tally.rows = b.n;
    uint64_t done = j->before + atomic_fetch_add(&j->done, b.n) + b.n;
    return progress_report(j->watch, "simulate", done, j->total, "simulations",
                           j->d->purpose);
}

/* all rows */

void tally_add(tally *to, const tally *from)
{
    to->rows += from->rows;
    to->attempts += from->attempts;
    to->invalid += from->invalid;
    to->truncated += from->truncated;
    to->redrawn += from->redrawn;
}

static int gather_results(const job *j, size_t n_blocks, rows_drawn *out)
{
    size_t d = simulator_n_theta(j->s), used = 0;
    for (size_t i = 0; i < n_blocks; i++)
        tally_add(&out->tally, &j->results[i].tally);
    if (out->tally.invalid == 0)
        return NRE_OK;
    out->invalid = memory_new((size_t)out->tally.invalid * d, sizeof *out->invalid);
    if (!out->invalid)
        return fail(NRE_ENOMEM, "no memory for invalid rows");
    for (size_t i = 0; i < n_blocks; i++) {
        size_t n = (size_t)j->results[i].tally.invalid * d;
        if (n > 0)
            memcpy(out->invalid + used, j->results[i].invalid, n * sizeof *out->invalid);
        used += n;
    }
    return NRE_OK;
}

int draw_rows(const simulator *s, pool *p, progress *watch, const draw *d,
              uint64_t before, uint64_t total, double *theta, float *x, uint8_t *status,
              rows_drawn *out)
{
    size_t rows = simulator_block(s), n_blocks = d->n / rows + (d->n % rows != 0);
    job j = {.s = s,
             .d = d,
             .watch = watch,
             .before = before,
             .total = total,
             .last = d->first + d->n,
             .theta_key = rng_purpose(d->seed, "theta/%s", d->purpose),
             .x_key = rng_purpose(d->seed, "x/%s", d->purpose),
             .noise_key = rng_purpose(d->seed, "noise/%s", d->purpose)};
    *out = (rows_drawn){.invalid = NULL};
    j.theta = theta;
    j.x = x;
    j.status = status;
    if (j.last < total)
        j.last = total;
    int result = simulator_ready(s);
    if (result != NRE_OK)
        return result;
    j.results = memory_new(n_blocks + 1, sizeof *j.results);
    if (!j.results)
        return fail(NRE_ENOMEM, "no memory for %zu blocks of rows", n_blocks);
    result = pool_run(p, n_blocks, draw_block, &j);
    if (result == NRE_OK)
        result = gather_results(&j, n_blocks, out);
    for (size_t i = 0; i < n_blocks; i++)
        free(j.results[i].invalid);
    free(j.results);
    return result;
}

bool rows_change_prior(const draw *d)
{
    return !d->at && !d->given && d->on_invalid == POLICY_REDRAW_THETA;
}

void rows_judged(validity *v, const draw *d, size_t n_theta, size_t n,
                 const double *theta, const rows_drawn *r)
{
    if (!v || !rows_change_prior(d))
        return;
    validity_add(v, n, theta, NULL);
    for (size_t i = 0; i < r->tally.invalid; i++)
        validity_add(v, 1, r->invalid + i * n_theta, &(uint8_t){0});
}

int simulator_draw(const simulator *s, pool *p, progress *watch, const draw *d,
                   double *theta, float *x, uint8_t *status, tally *count, validity *v)
{
    rows_drawn drawn;
    if (v && !theta)
        return fail(NRE_EINVAL, "a fit of the validity needs theta of the rows");
    int result = draw_rows(s, p, watch, d, 0, d->n, theta, x, status, &drawn);
    if (result == NRE_OK) {
        if (count)
            tally_add(count, &drawn.tally);
        rows_judged(v, d, simulator_n_theta(s), d->n, theta, &drawn);
    }
    free(drawn.invalid);
    return result;
}

/* single rows */

int simulator_perturb(const simulator *s, rng_key key, size_t n, const uint64_t *item,
                      uint64_t epoch, const double *theta, float *x, unsigned worker)
{
    size_t d = simulator_n_theta(s), n_x = simulator_n_x(s), rows = simulator_block(s);
    workspace *w;
    if (!simulator_has_noise(s))
        return fail(NRE_ENOTSUP, "simulator '%s' has no perturb()", plugin_name(s));
    int status = simulator_workspace(s, worker, &w);
    for (size_t done = 0; status == NRE_OK && done < n;) {
        size_t some = n - done < rows ? n - done : rows;
        call c = {s, w, true, some, key, epoch, 0};
        memcpy(w->item, item + done, some * sizeof *item);
        memcpy(w->theta, theta + done * d, some * d * sizeof *theta);
        memcpy(w->x, x + done * n_x, some * n_x * sizeof *x);
        status = guarded(&c);
        if (status == NRE_OK)
            memcpy(x + done * n_x, w->x, some * n_x * sizeof *x);
        done += some;
    }
    return status;
}

int simulator_run_rows(const simulator *s, size_t n, const double *theta, rng_key key,
                       uint64_t first, float *x, uint8_t *status)
{
    size_t d = simulator_n_theta(s), n_x = simulator_n_x(s), rows = simulator_block(s);
    workspace *w;
    int result = simulator_ready(s);
    if (result == NRE_OK)
        result = simulator_workspace(s, 0, &w);
    for (size_t done = 0; result == NRE_OK && done < n;) {
        size_t some = n - done < rows ? n - done : rows;
        call c = {s, w, false, some, key, 0, first + n};
        for (size_t i = 0; i < some; i++)
            w->item[i] = first + done + i;
        memcpy(w->theta, theta + done * d, some * d * sizeof *theta);
        result = guarded(&c);
        if (result == NRE_OK) {
            memcpy(x + done * n_x, w->x, some * n_x * sizeof *x);
            memcpy(status + done, w->status, some);
        }
        done += some;
    }
    return result;
}
