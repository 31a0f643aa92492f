/* boarding_school: influenza among 763 boys, January 1978 (BMJ 1978;1:587).
 *
 *   S -> I -> B -> C -> R    susceptible, infectious, in bed, convalescent, recovered
 *
 * A closed population as a jump process in continuous time: infection at the rate beta S
 * I / N, then stays in I, B and C of means d_infectious, d_bed and d_convalescent days,
 * Erlang distributed with `stages` phases each. It begins t_start days before day 0 with
 * `initial_infectious` boys. Each day, every boy in bed and every convalescent is counted
 * with probability rho. With one phase everywhere it is the Markov chain that King et al.
 * use for the same data (pomp, bsflu).
 *
 * Exact, without a step in time: what happens to a boy after his infection depends on
 * nobody else, so that his stays are drawn at once and only infections and departures
 * from I compete (Sellke 1983, J. Appl. Prob. 20, 390: infection strikes when the
 * accumulated force of infection reaches an exponential threshold). The phases cost no
 * events, and the number of events is bounded by twice the population. */
#include <nereid/gsl.h>
#include <nereid/plugin.h>

#include <gsl/gsl_randist.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BETA, D_INFECTIOUS, D_BED, D_CONVALESCENT, RHO, T_START, N_THETA };
enum { IN_BED, CONVALESCENT, CHANNELS, DAYS = 14, LAST_DAY = DAYS - 1 };
enum { MAJOR = 20, TRIES = 1000 }; /* infections of a major outbreak; tries at one */

static const nre_theta THETA[N_THETA] = {
    [BETA] = {.name = "beta",
              .label = "\\beta",
              .unit = "1/d",
              .prior = NRE_LOG_UNIFORM,
              .a = 0.5,
              .b = 10,
              .nominal = 2.5,
              .scale = NRE_SCALE_LOG},
    [D_INFECTIOUS] = {.name = "d_infectious",
                      .label = "d_I",
                      .unit = "d",
                      .prior = NRE_LOG_UNIFORM,
                      .a = 0.3,
                      .b = 4,
                      .nominal = 1.2,
                      .scale = NRE_SCALE_LOG},
    [D_BED] = {.name = "d_bed",
               .label = "d_B",
               .unit = "d",
               .prior = NRE_LOG_UNIFORM,
               .a = 0.5,
               .b = 6,
               .nominal = 2.6,
               .scale = NRE_SCALE_LOG},
    [D_CONVALESCENT] = {.name = "d_convalescent",
                        .label = "d_C",
                        .unit = "d",
                        .prior = NRE_LOG_UNIFORM,
                        .a = 0.5,
                        .b = 6,
                        .nominal = 1.8,
                        .scale = NRE_SCALE_LOG},
    [RHO] = {.name = "rho",
             .label = "\\rho",
             .prior = NRE_UNIFORM,
             .a = 0.5,
             .b = 1,
             .nominal = 0.9},
    [T_START] = {.name = "t_start",
                 .label = "t_0",
                 .unit = "d",
                 .prior = NRE_UNIFORM,
                 .a = 1,
                 .b = 10,
                 .nominal = 4},
};

static const nre_theta DERIVED[] = {{.name = "R0", .label = "R_0"}};

static const double DAY[DAYS] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13};

static const nre_field FIELDS[] = {
    {.name = "counts",
     .label = "boys in bed, convalescent",
     .shape = {.rank = 2, .dim = {CHANNELS, DAYS}},
     .scale = NRE_SCALE_LOG1P,
     .at = DAY,
     .at_label = "days since 22 January 1978"},
};

#define STAGES(name_, of_, default_)                                                     \
    {                                                                                    \
        .name = (name_), .type = NRE_INT, .fallback = (default_), .lo = 1, .hi = 20,     \
        .help = "Phases of the Erlang distributed stay " of_ "; 1: exponential."         \
    }

static const nre_option OPTIONS[] = {
    {.name = "population",
     .type = NRE_INT,
     .fallback = "763",
     .lo = 100,
     .hi = 1e6,
     .help = "Boys in the school."},
    {.name = "initial_infectious",
     .type = NRE_INT,
     .fallback = "1",
     .lo = 1,
     .hi = 100,
     .help = "Boys whose infectious stay begins t_start days before day 0."},
    STAGES("stages_infectious", "of the infectious", "3"),
    STAGES("stages_bed", "in bed", "4"),
    STAGES("stages_convalescent", "of the convalescent", "4"),
    {.name = "condition",
     .type = NRE_CHOICE,
     .fallback = "none",
     .choices = "none|major",
     .help =
         "major: draw again until at least 20 boys were infected by the last day; this "
         "changes the law of x, and where 1000 draws are not enough the row is invalid."},
};

typedef struct school {
    size_t population, initial;
    unsigned stages_infectious, stages_bed, stages_convalescent;
    int major;
} school;

static int create(const nre_host *host, const nre_values *values, void **self)
{
    school *s = host->alloc(host, 1, sizeof *s);
    if (!s)
        return host->fail(host, NRE_ENOMEM, "no memory for the simulator");
    s->population = (size_t)host->get_int(values, "population");
    s->initial = (size_t)host->get_int(values, "initial_infectious");
    s->stages_infectious = (unsigned)host->get_int(values, "stages_infectious");
    s->stages_bed = (unsigned)host->get_int(values, "stages_bed");
    s->stages_convalescent = (unsigned)host->get_int(values, "stages_convalescent");
    s->major = host->get_int(values, "condition") == 1;
    *self = s;
    return NRE_OK;
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

/* The basic reproduction number: beta d_infectious, whatever the number of phases. */
static int derived(const void *self, size_t n, const double *theta, double *out)
{
    (void)self;
    for (size_t i = 0; i < n; i++)
        out[i] = theta[i * N_THETA + BETA] * theta[i * N_THETA + D_INFECTIOUS];
    return NRE_OK;
}

/* one outbreak */

/* When the infectious leave I, in buckets of equal width from the start to the last day;
 * each is a list, soonest first.  Who leaves later is not entered. */
typedef struct calendar {
    uint32_t *first;         /* [n_buckets], an entry, 0: none */
    uint32_t *next;          /* [population + 1], by entry */
    double *leaving;         /* [population + 1] */
    size_t n_buckets, today; /* the first bucket that may hold someone */
    uint32_t n;              /* entries */
} calendar;

typedef struct stay {
    unsigned phases;
    double mean; /* of a phase */
} stay;

typedef struct outbreak {
    const school *school;
    const double *theta;
    nre_rng *rng;
    calendar *calendar;
    double start, buckets_per_day;
    stay infectious_stay, bed, convalescence;
    size_t infectious, susceptible;
    int change[CHANNELS][DAYS]; /* of the numbers there, against the day before */
} outbreak;

static void worker_end(void *work)
{
    calendar *c = work;
    if (!c)
        return;
    free(c->first);
    free(c->next);
    free(c->leaving);
    free(c);
}

static int worker(const void *self, const nre_host *host, void **work)
{
    const school *s = self;
    calendar *c = calloc(1, sizeof *c);
    if (c) {
        c->n_buckets = 2 * s->population + 1;
        c->first = malloc(c->n_buckets * sizeof *c->first);
        c->next = malloc((s->population + 1) * sizeof *c->next);
        c->leaving = malloc((s->population + 1) * sizeof *c->leaving);
    }
    *work = c;
    if (c && c->first && c->next && c->leaving)
        return NRE_OK;
    worker_end(c);
    return host->fail(host, NRE_ENOMEM, "no memory for %zu boys", s->population);
}

static void clear_calendar(outbreak *o)
{
    calendar *c = o->calendar;
    o->buckets_per_day = ((double)c->n_buckets - 1) / fmax(LAST_DAY - o->start, 1e-9);
    memset(c->first, 0, c->n_buckets * sizeof *c->first);
    c->today = 0;
    c->n = 0;
}

/* T is at most LAST_DAY. */
static void enter(const outbreak *o, double t)
{
    calendar *c = o->calendar;
    uint32_t entry = ++c->n;
    size_t bucket = (size_t)((t - o->start) * o->buckets_per_day);
    uint32_t *at = &c->first[bucket];
    c->today = bucket < c->today ? bucket : c->today;
    while (*at && c->leaving[*at] < t)
        at = &c->next[*at];
    c->leaving[entry] = t;
    c->next[entry] = *at;
    *at = entry;
}

/* When the next boy leaves I; INFINITY when nobody does until the last day. */
static double next_departure(const outbreak *o)
{
    calendar *c = o->calendar;
    while (c->today < c->n_buckets && !c->first[c->today])
        c->today++;
    return c->today < c->n_buckets ? c->leaving[c->first[c->today]] : INFINITY;
}

static void strike_out(const outbreak *o)
{
    uint32_t *first = &o->calendar->first[o->calendar->today];
    *first = o->calendar->next[*first];
}

/* A sum of exponential variables.  Two 32-bit uniforms a word. */
static double draw_stay(nre_rng *rng, stay s)
{
    double product = 1;
    for (unsigned k = 0; k < s.phases; k += 2) {
        uint64_t word = rng->bits(rng);
        product *= ((double)(uint32_t)word + 0.5) * 0x1p-32;
        if (k + 1 < s.phases)
            product *= ((double)(uint32_t)(word >> 32) + 0.5) * 0x1p-32;
    }
    return -log(product) * s.mean;
}

/* The first day after T, which is at most LAST_DAY. */
static int day_after(double t)
{
    return t < 0 ? 0 : t < LAST_DAY ? (int)t + 1 : LAST_DAY;
}

/* A boy is in CHANNEL from FROM, at most LAST_DAY, until TO: he is counted on the days
 * between. */
static void record(outbreak *o, int channel, double from, double to)
{
    o->change[channel][day_after(from)]++;
    if (to < LAST_DAY)
        o->change[channel][day_after(to)]--;
}

/* All that becomes of a boy who is infected at T; after the last day nothing is drawn. */
static void infect(outbreak *o, double t)
{
    double bed = t + draw_stay(o->rng, o->infectious_stay);
    o->infectious++;
    if (bed > LAST_DAY)
        return;
    enter(o, bed);
    double convalescent = bed + draw_stay(o->rng, o->bed);
    record(o, IN_BED, bed, convalescent);
    if (convalescent > LAST_DAY)
        return;
    record(o, CONVALESCENT, convalescent,
           convalescent + draw_stay(o->rng, o->convalescence));
}

static stay stay_of(unsigned phases, double mean)
{
    return (stay){phases, mean / phases};
}

static void begin_outbreak(outbreak *o)
{
    const school *s = o->school;
    o->start = -o->theta[T_START];
    o->infectious_stay = stay_of(s->stages_infectious, o->theta[D_INFECTIOUS]);
    o->bed = stay_of(s->stages_bed, o->theta[D_BED]);
    o->convalescence = stay_of(s->stages_convalescent, o->theta[D_CONVALESCENT]);
    o->susceptible = s->population - s->initial;
    o->infectious = 0;
    memset(o->change, 0, sizeof o->change);
    clear_calendar(o);
    for (size_t k = 0; k < s->initial; k++)
        infect(o, o->start);
}

/* From day -t_start to the last day; returns the number of boys ever infected. */
static size_t run_outbreak(outbreak *o)
{
    static const stay unit = {1, 1};
    double per_pair = o->theta[BETA] / (double)o->school->population;
    begin_outbreak(o);
    double t = o->start, threshold = draw_stay(o->rng, unit);
    while (o->infectious > 0 && o->susceptible > 0) {
        double force = per_pair * (double)o->susceptible * (double)o->infectious;
        double departure = next_departure(o), hazard = force * (departure - t);
        if (threshold < hazard) {
            t += threshold / force;
            if (t > LAST_DAY)
                break;
            threshold = draw_stay(o->rng, unit);
            o->susceptible--;
            infect(o, t);
        } else if (departure > LAST_DAY) {
            break;
        } else {
            threshold -= hazard;
            t = departure;
            strike_out(o);
            o->infectious--;
        }
    }
    return o->school->population - o->susceptible;
}

/* Binomial(number on that day, rho), day by day. */
static void count(const outbreak *o, float *x)
{
    gsl_rng rng = NRE_GSL(&o->rng);
    for (int channel = 0; channel < CHANNELS; channel++) {
        int there = 0;
        for (int day = 0; day < DAYS; day++) {
            there += o->change[channel][day];
            x[channel * DAYS + day] =
                (float)gsl_ran_binomial(&rng, o->theta[RHO], (unsigned)there);
        }
    }
}

/* Whether the process is defined; the prior may be one of the user's. */
static int is_physical(const double *theta)
{
    for (int k = 0; k < N_THETA; k++)
        if (!isfinite(theta[k]))
            return 0;
    return theta[BETA] >= 0 && theta[D_INFECTIOUS] > 0 && theta[D_BED] > 0 &&
           theta[D_CONVALESCENT] > 0 && theta[RHO] >= 0 && theta[RHO] <= 1;
}

static uint8_t simulate_row(outbreak *o, float *x)
{
    const school *s = o->school;
    size_t infected = 0, least = s->major ? MAJOR : 0;
    int tries = 0;
    if (!is_physical(o->theta))
        return NRE_ROW_INVALID;
    do
        infected = run_outbreak(o);
    while (++tries < TRIES && infected < least);
    if (infected < least)
        return NRE_ROW_INVALID;
    count(o, x);
    return tries > 1 ? NRE_ROW_REDRAWN : NRE_ROW_OK;
}

static int simulate(const void *self, void *work, nre_batch *batch)
{
    outbreak o = {.school = self, .calendar = work};
    for (size_t i = 0; i < batch->n; i++) {
        o.theta = batch->theta + i * N_THETA;
        o.rng = batch->rng[i];
        batch->status[i] = simulate_row(&o, batch->x + i * CHANNELS * DAYS);
    }
    return NRE_OK;
}

/* real counts */

/* A CSV with a header, '#' comments, and a row a day: the columns of IN_BED and
 * CONVALESCENT, and, where there is one, that of the day from 0. */
enum { DAY_COLUMN = CHANNELS, N_COLUMNS, CELLS_MOST = 16 };
static const char *const COLUMN[N_COLUMNS] = {"in_bed", "convalescent", "day"};

typedef struct reader {
    const school *school;
    const nre_host *host;
    const char *path;
    FILE *file;
    unsigned line; /* from 1 */
    char *text;    /* of the line, cut into cells */
    size_t room;
    char *cell[CELLS_MOST];
    int n_cells;
    int n_columns;        /* of the header */
    int place[N_COLUMNS]; /* of COLUMN in a line, -1: nowhere */
} reader;

static int complain(const reader *r, const char *format, ...) NRE_PRINTF(2, 3);
static int complain(const reader *r, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    return r->host->fail(r->host, NRE_EFORMAT, "%s:%u: %s", r->path, r->line, sentence);
}

/* The next line that says something; false at the end of the file. */
static int next_line(reader *r)
{
    while (getline(&r->text, &r->room, r->file) >= 0) {
        r->line++;
        r->text[strcspn(r->text, "#\r\n")] = 0;
        if (r->text[strspn(r->text, " \t")])
            return 1;
    }
    return 0;
}

static int cut_cells(reader *r)
{
    char *rest = r->text, *cell;
    for (r->n_cells = 0; (cell = strsep(&rest, ",")); r->n_cells++) {
        if (r->n_cells == CELLS_MOST)
            return complain(r, "more than %d columns", CELLS_MOST);
        cell += strspn(cell, " \t");
        for (size_t n = strlen(cell); n > 0 && strchr(" \t", cell[n - 1]); n--)
            cell[n - 1] = 0;
        r->cell[r->n_cells] = cell;
    }
    return NRE_OK;
}

static int read_header(reader *r)
{
    if (!next_line(r))
        return complain(r, "no header; it names the columns %s and %s", COLUMN[IN_BED],
                        COLUMN[CONVALESCENT]);
    int status = cut_cells(r);
    r->n_columns = r->n_cells;
    for (int k = 0; status == NRE_OK && k < N_COLUMNS; k++) {
        r->place[k] = -1;
        for (int j = 0; j < r->n_cells; j++)
            if (strcmp(r->cell[j], COLUMN[k]) == 0)
                r->place[k] = j;
        if (r->place[k] < 0 && k != DAY_COLUMN)
            return complain(r, "no column '%s' in the header", COLUMN[k]);
    }
    return status;
}

static int read_number(const reader *r, int k, long most, long *out)
{
    const char *cell = r->cell[r->place[k]];
    char *end;
    *out = strtol(cell, &end, 10);
    if (end == cell || *end || *out < 0 || *out > most)
        return complain(r, "%s is '%s', which is no whole number from 0 to %ld",
                        COLUMN[k], cell, most);
    return NRE_OK;
}

static int read_day(reader *r, int day, float *x)
{
    long value;
    int status = cut_cells(r);
    if (status == NRE_OK && r->n_cells != r->n_columns)
        return complain(r, "%d columns, but the header has %d", r->n_cells, r->n_columns);
    if (status == NRE_OK && day == DAYS)
        return complain(r, "more than %d days", DAYS);
    if (status == NRE_OK && r->place[DAY_COLUMN] >= 0) {
        status = read_number(r, DAY_COLUMN, LAST_DAY, &value);
        if (status == NRE_OK && value != day)
            return complain(r, "day %ld where day %d should be", value, day);
    }
    for (int k = 0; status == NRE_OK && k < CHANNELS; k++) {
        status = read_number(r, k, (long)r->school->population, &value);
        x[k * DAYS + day] = (float)value;
    }
    return status;
}

static int read_counts(reader *r, float *x)
{
    int status = read_header(r), day = 0;
    for (; status == NRE_OK && next_line(r); day++)
        status = read_day(r, day, x);
    if (status == NRE_OK && ferror(r->file))
        status = complain(r, "cannot be read any further");
    if (status == NRE_OK && day < DAYS)
        status = complain(r, "ends after %d days; an outbreak has %d", day, DAYS);
    return status;
}

static int observation(const void *self, const nre_host *host, const char *path,
                       size_t *n, float **x)
{
    reader r = {.school = self, .host = host, .path = path, .file = fopen(path, "r")};
    if (!r.file && (path = host->data_file(host, path)))
        r.file = fopen(path, "r");
    if (!r.file)
        return host->fail(host, NRE_EIO, "%s: cannot be opened", r.path);
    *n = 1;
    *x = host->alloc(host, CHANNELS * DAYS, sizeof **x);
    int status = *x ? read_counts(&r, *x)
                    : host->fail(host, NRE_ENOMEM, "no memory for an observation");
    free(r.text);
    fclose(r.file);
    return status;
}

static const nre_simulator_ops OPS = {
    .struct_size = sizeof OPS,
    .info = info,
    .worker = worker,
    .worker_end = worker_end,
    .simulate = simulate,
    .observation = observation,
    .derived = derived,
};

const nre_plugin nre_plugin_v1 = {
    NRE_PLUGIN_HEAD(NRE_SIMULATOR),
    .name = "boarding_school",
    .version = "1.0.0",
    .summary =
        "Influenza in a boarding school, 1978: boys in bed and convalescent, day by day.",
    .reference = "British Medical Journal 1978;1:587; King, Nguyen and Ionides 2016, "
                 "J. Stat. Softw. 69(12) (pomp)",
    NRE_PLUGIN_OPTIONS(OPTIONS),
    .create = create,
    .ops.simulator = &OPS,
};
