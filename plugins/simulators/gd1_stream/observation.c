/* observation.c - the common bins, the normalisation of a simulation and the preparation of the
 * measured density of de Boer, Erkal & Gieles (2020, MNRAS 494, 5315), all as Hermans et al. (2020,
 * arXiv:2011.14923) do it.
 *
 * Simulations are divided by their mean, the measured density by a straight line: an observation
 * has no slope along the stream, a simulation may have one. */
#include "gd1.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double BIN_PHI1[BINS] = {
    -33.986070175, -33.109994766, -32.236834464, -31.366798437, -30.500092281,
    -29.636913407, -28.777454554, -27.921900524, -27.070430008, -26.223215243,
    -25.380419593, -24.542202125, -23.708710881, -22.880090058, -22.056473455,
    -21.237989625, -20.424758022, -19.616891586, -18.814496777, -18.017669708,
    -17.226503244, -16.441079284, -15.661476628, -14.887763615, -14.120004662,
    -13.358256133, -12.602569108, -11.852988632, -11.109552100, -10.372295436,
    -9.641243542,  -8.916421600,  -8.197844813,  -7.485528686,  -6.779478671,
    -6.079701409,  -5.386194531,  -4.698954012,  -4.017973286,  -3.343237201,
    -2.674732897,  -2.012437370,  -1.356331154,  -0.706384513,  -0.062568684,
    0.575146484,   1.206801603,   1.832430961,   2.452081422,   3.065791931,
    3.673614712,   4.275594041,   4.871785715,   5.462241535,   6.047012736,
    6.626162187,   7.199741923,   7.767817518,   8.330442289,   8.887684731,
    9.439599976,   9.986257105,
};

typedef struct line {
    double height, slope; /* y = height + slope * x */
} line;

static line line_through(size_t n, const double *x, const double *y)
{
    double mean_x = 0, mean_y = 0, square = 0, product = 0;
    for (size_t i = 0; i < n; i++) {
        mean_x += x[i] / (double)n;
        mean_y += y[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        square += (x[i] - mean_x) * (x[i] - mean_x);
        product += (x[i] - mean_x) * (y[i] - mean_y);
    }
    double slope = product / square;
    return (line){mean_y - slope * mean_x, slope};
}

static double line_at(line l, double x)
{
    return l.height + l.slope * x;
}

static void divide_by_mean(size_t n, double *y)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += y[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        y[i] /= mean;
}

void normalise(const double *observed, bool contrast, float out[BINS])
{
    double y[BINS];
    memcpy(y, observed, sizeof y);
    divide_by_mean(BINS, y);
    if (contrast) {
        line l = line_through(BINS, BIN_PHI1, y);
        for (size_t i = 0; i < BINS; i++)
            y[i] += 1 - line_at(l, BIN_PHI1[i]);
        divide_by_mean(BINS, y);
    }
    for (size_t i = 0; i < BINS; i++)
        out[i] = (float)y[i];
}

/* the measured density */

enum { PHI1, DENSITY, ERROR, WANTED, MOST_ROWS = 1000, MOST_COLUMNS = 32 };
static const char *const NAMES[WANTED][2] = {
    {"phi1_deg", "phi1mid"}, {"linear_density", "lindens"}, {"error", "e_lindens"}};
static const double MARGIN = 5; /* deg, of rows beyond the bins that shape the line */

typedef struct measured {
    const nre_host *host;
    const char *path;
    locale_t c_locale; /* numbers have a decimal point wherever the program runs */
    size_t n, line;
    size_t column[WANTED];
    double value[WANTED][MOST_ROWS];
} measured;

/* Splits TEXT in place at commas, or at white space where it has none; returns the number of
 * words. */
static size_t split(char *text, char *word[MOST_COLUMNS])
{
    const char *between = strchr(text, ',') ? "," : " \t";
    size_t n = 0;
    text[strcspn(text, "\r\n")] = '\0';
    for (char *rest = text, *at; (at = strsep(&rest, between)) && n < MOST_COLUMNS;) {
        at += strspn(at, " \t");
        at[strcspn(at, " \t")] = '\0';
        if (*at || *between == ',')
            word[n++] = at;
    }
    return n;
}

static int read_header(measured *m, size_t n, char *const word[])
{
    for (size_t w = 0; w < WANTED; w++) {
        m->column[w] = MOST_COLUMNS;
        for (size_t i = 0; i < n; i++)
            if (strcmp(word[i], NAMES[w][0]) == 0 || strcmp(word[i], NAMES[w][1]) == 0)
                m->column[w] = i;
        if (m->column[w] == MOST_COLUMNS)
            return m->host->fail(
                m->host, NRE_EFORMAT,
                "%s:%zu: no column '%s' (or '%s'): the first line that is no "
                "comment names the columns phi1_deg, linear_density and error",
                m->path, m->line, NAMES[w][0], NAMES[w][1]);
    }
    return NRE_OK;
}

static int read_row(measured *m, size_t n, char *const word[])
{
    if (m->n == MOST_ROWS)
        return m->host->fail(m->host, NRE_EFORMAT, "%s: more than %d rows", m->path,
                             (int)MOST_ROWS);
    for (size_t w = 0; w < WANTED; w++) {
        char *end = NULL;
        const char *text = m->column[w] < n ? word[m->column[w]] : "";
        double value = strtod_l(text, &end, m->c_locale);
        if (end == text || *end != '\0' || !isfinite(value))
            return m->host->fail(m->host, NRE_EFORMAT, "%s:%zu: '%s' is no %s", m->path,
                                 m->line, text, NAMES[w][0]);
        m->value[w][m->n] = value;
    }
    if (m->n > 0 && m->value[PHI1][m->n] <= m->value[PHI1][m->n - 1])
        return m->host->fail(m->host, NRE_EFORMAT,
                             "%s:%zu: phi1 must rise from row to row", m->path, m->line);
    double phi1 = m->value[PHI1][m->n];
    m->n += phi1 >= BIN_PHI1[0] - MARGIN && phi1 <= BIN_PHI1[BINS - 1] + MARGIN;
    return NRE_OK;
}

static int read_lines(measured *m, FILE *file)
{
    char text[4096], *word[MOST_COLUMNS];
    bool named = false;
    int status = NRE_OK;
    while (status == NRE_OK && fgets(text, sizeof text, file)) {
        m->line++;
        size_t n = text[0] == '#' ? 0 : split(text, word);
        if (n == 0)
            continue;
        status = named ? read_row(m, n, word) : read_header(m, n, word);
        named = true;
    }
    if (status == NRE_OK && ferror(file))
        status = m->host->fail(m->host, NRE_EIO, "%s: %s", m->path, strerror(errno));
    if (status == NRE_OK && m->n < 10)
        status = m->host->fail(
            m->host, NRE_EFORMAT,
            "%s: %zu rows with phi1 between %.1f and %.1f deg: too few", m->path, m->n,
            BIN_PHI1[0] - MARGIN, BIN_PHI1[BINS - 1] + MARGIN);
    return status;
}

/* Density and error, divided by one line through the density. */
static void detrend(size_t n, const double *phi1, double *density, double *error)
{
    line l = line_through(n, phi1, density);
    for (size_t i = 0; i < n; i++) {
        density[i] /= line_at(l, phi1[i]);
        error[i] /= line_at(l, phi1[i]);
    }
}

static int to_bins(const measured *m, const double *value, double out[BINS])
{
    double second[MOST_ROWS];
    int status = spline_fit(m->n, m->value[PHI1], value, second);
    for (size_t i = 0; status == NRE_OK && i < BINS; i++)
        out[i] = spline_at(m->n, m->value[PHI1], value, second, BIN_PHI1[i]);
    return status;
}

static int prepare(measured *m, double density[BINS], double error[BINS])
{
    detrend(m->n, m->value[PHI1], m->value[DENSITY], m->value[ERROR]);
    int status = to_bins(m, m->value[DENSITY], density);
    if (status == NRE_OK)
        status = to_bins(m, m->value[ERROR], error);
    if (status != NRE_OK)
        return m->host->fail(m->host, status, "%s: no spline goes through it", m->path);
    detrend(BINS, BIN_PHI1, density, error);
    for (size_t i = 0; i < BINS; i++)
        if (!isfinite(density[i]) || !(error[i] > 0))
            return m->host->fail(m->host, NRE_EFORMAT,
                                 "%s: density %.3g with error %.3g at phi1 = %.1f deg",
                                 m->path, density[i], error[i], BIN_PHI1[i]);
    return NRE_OK;
}

int measured_density(const nre_host *host, const char *path, double density[BINS],
                     double error[BINS])
{
    measured m = {.host = host, .path = path};
    FILE *file = fopen(path, "re");
    if (!file)
        return host->fail(host, NRE_EIO, "%s: %s", path, strerror(errno));
    m.c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    int status = m.c_locale ? read_lines(&m, file)
                            : host->fail(host, NRE_ENOMEM, "no memory for a locale");
    if (m.c_locale)
        freelocale(m.c_locale);
    fclose(file);
    return status == NRE_OK ? prepare(&m, density, error) : status;
}
