/* base/text.c - numbers and words as users write them. */
#include "base/base.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static size_t digits(const char *text)
{
    return strspn(text, "0123456789");
}

static const char *after_sign(const char *text)
{
    return *text == '+' || *text == '-' ? text + 1 : text;
}

/* strtod takes more than we want: blanks, hexadecimals, inf and nan. */
static bool looks_real(const char *text)
{
    text = after_sign(text);
    size_t whole = digits(text), part = 0;
    text += whole;
    if (*text == '.') {
        part = digits(text + 1);
        text += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text = after_sign(text + 1);
        if (digits(text) == 0)
            return false;
        text += digits(text);
    }
    return *text == '\0';
}

bool text_to_real(const char *text, double *out)
{
    pthread_once(&c_locale_once, make_c_locale);
    if (!c_locale || !looks_real(text))
        return false;
    double value = strtod_l(text, NULL, c_locale);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool text_to_int(const char *text, int64_t *out)
{
    const char *number = after_sign(text);
    double value;

    if (*number != '\0' && number[digits(number)] == '\0') {
        errno = 0;
        long long whole = strtoll(text, NULL, 10);
        if (errno == ERANGE)
            return false;
        *out = whole;
        return true;
    }
    /* Beyond 2^53 a double no longer says which integer was meant. */
    if (!text_to_real(text, &value) || value != rint(value) || fabs(value) > 0x1p53)
        return false;
    *out = (int64_t)value;
    return true;
}

enum { WORD_MOST = 63 };

static unsigned least_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Damerau (1964): insertions, deletions, substitutions and swaps of neighbours, no
 * substring edited twice (optimal string alignment).  Both words have at most WORD_MOST
 * letters. */
static unsigned edit_distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_MOST + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t n = strlen(b);

    for (unsigned j = 0; j <= n; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned *spent = before;
        before = last;
        last = row;
        row = spent;
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            row[j] = last[j - 1] + (a[i - 1] != b[j - 1]);
            row[j] = least_of(row[j], least_of(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least_of(row[j], before[j - 2] + 1);
        }
    }
    return row[n];
}

const char *text_nearest(const char *word, size_t n, const char *const *candidates)
{
    size_t length = strlen(word);
    size_t best = 3;
    const char *nearest = NULL;

    if (length > WORD_MOST)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        if (strlen(candidates[i]) > WORD_MOST)
            continue;
        size_t distance = edit_distance(word, candidates[i]);
        if (distance < best && 2 * distance < length) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}
