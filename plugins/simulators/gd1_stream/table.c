/* table.c - tracks, gains and arc lengths at a few ages, from which any age follows.
 *
 * All of it is smooth in 1 / age: the spread of frequencies times the age is the same for all
 * ages, so that in units of their lengths streams differ by the small offset of the track from
 * the progenitor's orbit alone. */
#include "gd1.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* Raised whenever the numbers of a table change. */
enum { VERSION = 2, ARC_STEPS = 400 };

const char *table_plan_wrong(const table_plan *p)
{
    if (!(p->ages[0] > 1.2 && p->ages[1] > p->ages[0] && p->ages[1] <= 14))
        return "ages: give the least and the largest age in Gyr, between 1.2 and 14";
    if (!(p->velocity_dispersion > 0 && p->offsets > 0))
        return "velocity_dispersion and mean_offset must be above 0";
    if (p->chunks != 0 && (p->chunks < 4 || p->chunks > MOST_CHUNKS))
        return "chunks: 0 for the original's rule, or 4 to 32";
    return NULL;
}

/* FNV-1a (Fowler, Noll and Vo) of a word, least byte first. */
static uint64_t hash_more(uint64_t hash, uint64_t word)
{
    for (int i = 0; i < 8; i++, word >>= 8)
        hash = (hash ^ (word & 255)) * 1099511628211u;
    return hash;
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

uint64_t table_key(const table_plan *p)
{
    const uint64_t word[] = {VERSION,
                             NODES,
                             POINTS,
                             p->whole_age,
                             p->chunks,
                             bits_of(p->ages[0]),
                             bits_of(p->ages[1]),
                             bits_of(p->velocity_dispersion),
                             bits_of(p->offsets)};
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof word / sizeof word[0]; i++)
        hash = hash_more(hash, word[i]);
    return hash;
}

double table_time(const table_plan *p, double age, size_t k)
{
    double number = (double)(k + 1);
    return GD1_GYR * (p->whole_age ? age * number / (TIMES + 1) : number / TIMES);
}

static double node_age(const table_plan *p, size_t node)
{
    double a = 1 / p->ages[0], b = 1 / p->ages[1];
    double at = cos(GD1_PI * ((double)node + 0.5) / NODES);
    return 1 / (0.5 * (a + b) + 0.5 * (b - a) * at);
}

void table_weights(const stream_table *t, double age, double weight[NODES])
{
    for (size_t i = 0; i < NODES; i++) {
        weight[i] = 1;
        for (size_t j = 0; j < NODES; j++)
            if (j != i)
                weight[i] *= (1 / age - 1 / t->node[j].age) /
                             (1 / t->node[i].age - 1 / t->node[j].age);
    }
}

uint32_t table_chunks(const table_plan *p, const progenitor *of, double age, size_t k)
{
    smooth s = smooth_of(of->spread_age, p->offsets, age * GD1_GYR);
    size_t chunks = p->chunks ? p->chunks : track_chunks(&s, table_time(p, age, k));
    return chunks < MOST_CHUNKS ? (uint32_t)chunks : MOST_CHUNKS;
}

/* A stream grows with its age, and so does the number of chunks. */
static uint32_t tracks_at(const table_plan *p, const progenitor *of, size_t k)
{
    return table_chunks(p, of, p->ages[1], k) - table_chunks(p, of, p->ages[0], k) + 1;
}

size_t table_bytes(const table_plan *p, const progenitor *of)
{
    size_t n = 0;
    for (size_t k = 0; k < TIMES; k++)
        n += tracks_at(p, of, k);
    return sizeof(stream_table) + n * sizeof(track_table);
}

const track_table *table_track(const stream_table *t, size_t k, uint32_t chunks)
{
    return &t->track[t->first[k] + chunks - t->least[k]];
}

/* building */

typedef struct building {
    const table_plan *plan;
    const nre_host *host;
    stream_table *out;
    double (*length)[TIMES]; /* [NODES] arc lengths */
    size_t jobs;
    atomic_uint_fast64_t done;
} building;

static smooth smooth_at(const building *b, size_t node)
{
    return smooth_of(b->out->progenitor.spread_age, b->plan->offsets,
                     b->out->node[node].age * GD1_GYR);
}

/* Angles at equidistant shares of the arc length from 0 to LAST; returns the length. */
static double fill_arc(const track *t, double last, double out[ARC_NODES])
{
    double angle[ARC_STEPS + 1], arc[ARC_STEPS + 1], second[ARC_STEPS + 1];
    for (size_t i = 0; i <= ARC_STEPS; i++)
        angle[i] = last * (double)i / ARC_STEPS;
    track_arc(t, ARC_STEPS + 1, angle, arc);
    if (spline_fit(ARC_STEPS + 1, arc, angle, second) != NRE_OK)
        return NAN;
    for (size_t i = 0; i < ARC_NODES; i++)
        out[i] = spline_at(ARC_STEPS + 1, arc, angle, second,
                           arc[ARC_STEPS] * (double)i / (ARC_NODES - 1));
    return arc[ARC_STEPS];
}

static void fill_points(const track *t, const progenitor *p, double out[COLUMNS][POINTS])
{
    for (size_t i = 0; i < POINTS; i++) {
        double at[6], gain[3];
        track_at(t, t->length * (double)i / (POINTS - 1), at);
        track_gain(t, p, at, gain);
        for (size_t c = 0; c < 6; c++)
            out[c][i] = at[c];
        for (size_t c = 0; c < 3; c++)
            out[6 + c][i] = gain[c];
    }
}

/* Lengths and arcs are those of the number of chunks that the age itself has. */
static int build_track(const building *b, size_t node, size_t place, orbit_space *space)
{
    age_table *to = &b->out->node[node];
    const progenitor *p = &b->out->progenitor;
    size_t k = 0;
    while (k + 1 < TIMES && b->out->first[k + 1] <= place)
        k++;
    uint32_t chunks = b->out->least[k] + (uint32_t)place - b->out->first[k];
    smooth s = smooth_at(b, node);
    double time = table_time(b->plan, to->age, k);
    track t;
    int status = track_build(p, &s, time, chunks, space, &t);
    if (status != NRE_OK)
        return status;
    if (chunks == table_chunks(b->plan, p, to->age, k))
        b->length[node][k] = fill_arc(&t, smooth_end(&s, s.age - time), to->arc[k]);
    fill_points(&t, p, b->out->track[place].point[node]);
    track_release(&t);
    return NRE_OK;
}

static int build_today(const building *b, size_t node, orbit_space *space)
{
    age_table *to = &b->out->node[node];
    const progenitor *p = &b->out->progenitor;
    smooth s = smooth_at(b, node);
    track t;
    int status = track_build(p, &s, 0, TODAY_CHUNKS, space, &t);
    if (status != NRE_OK)
        return status;
    for (size_t i = 0; i < ANGLES; i++)
        track_today(&t, p, &s, 0.01 * (double)(i + 1), to->base[i], to->slope[i]);
    track_release(&t);
    return NRE_OK;
}

/* The long jobs, today's tracks, come first. */
static int build_job(void *context, size_t i)
{
    building *b = context;
    orbit_space *space = orbit_space_new();
    if (!space)
        return b->host->fail(b->host, NRE_ENOMEM, "no memory for an orbit");
    size_t node = i % NODES;
    int status = i < NODES ? build_today(b, node, space)
                           : build_track(b, node, i / NODES - 1, space);
    orbit_space_free(space);
    if (status != NRE_OK)
        return b->host->fail(b->host, status,
                             "no track of the stream of %.3g Gyr: is velocity_dispersion "
                             "or mean_offset too large?",
                             b->out->node[node].age);
    return b->host->progress(b->host, atomic_fetch_add(&b->done, 1) + 1, b->jobs);
}

/* Impacts fall on a time with a probability in proportion to the length of the stream. */
static int fill_shares(const building *b, size_t node)
{
    double total = 0, *share = b->out->node[node].share;
    for (size_t k = 0; k < TIMES; k++)
        total += b->length[node][k];
    for (size_t k = 0; k < TIMES; k++)
        share[k] = b->length[node][k] / total;
    return isfinite(total) && total > 0
               ? NRE_OK
               : b->host->fail(b->host, NRE_ENUMERIC,
                               "the stream of %.3g Gyr has no length: is "
                               "velocity_dispersion too small?",
                               b->out->node[node].age);
}

static void lay(const table_plan *p, const progenitor *of, stream_table *out)
{
    out->progenitor = *of;
    out->n_tracks = 0;
    for (size_t i = 0; i < NODES; i++)
        out->node[i].age = node_age(p, i);
    for (size_t k = 0; k < TIMES; k++) {
        out->least[k] = table_chunks(p, of, p->ages[0], k);
        out->first[k] = out->n_tracks;
        out->n_tracks += tracks_at(p, of, k);
    }
}

int table_build(const table_plan *p, const progenitor *of, const nre_host *host,
                stream_table *out)
{
    lay(p, of, out);
    building b = {
        .plan = p, .host = host, .out = out, .jobs = NODES * (out->n_tracks + 1)};
    b.length = calloc(NODES, sizeof *b.length);
    if (!b.length)
        return host->fail(host, NRE_ENOMEM, "no memory for arc lengths");
    int status = host->parallel(host, b.jobs, build_job, &b);
    for (size_t i = 0; status == NRE_OK && i < NODES; i++)
        status = fill_shares(&b, i);
    free(b.length);
    return status;
}
