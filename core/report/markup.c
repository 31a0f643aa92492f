/* report/markup.c - text and numbers in Markdown, LaTeX, HTML and CSV; sheets and
 * columns. */
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* UTF-8 */

enum { REPLACEMENT = 0xFFFD };

static bool is_tail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/* Length that a first byte announces, 0 when it can begin no character. */
static size_t utf8_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Surrogates, overlong forms, and marks that turn the direction of the text around them.
 */
static bool is_unwanted(uint32_t code, size_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

    return code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000) ||
           (code >= 0x80 && code < 0xA0) || (code >= 0x202A && code <= 0x202E) ||
           (code >= 0x2066 && code <= 0x2069);
}

/* One character and the number of its bytes, 0 at the end; what is no character or better
 * not shown is U+FFFD. */
static size_t utf8_next(const char *text, uint32_t *code)
{
    const unsigned char *t = (const unsigned char *)text;
    size_t n = utf8_length(t[0]);

    *code = REPLACEMENT;
    if (t[0] == 0)
        return 0;
    if (n == 0)
        return 1;
    uint32_t value = n == 1 ? t[0] : t[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if (!is_tail(t[i]))
            return 1;
        value = value << 6 | (t[i] & 0x3Fu);
    }
    if (!is_unwanted(value, n))
        *code = value;
    return n;
}

static void utf8_put(FILE *out, uint32_t code)
{
    if (code < 0x80) {
        fputc((int)code, out);
        return;
    }
    int n = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3; /* bytes after the first */
    fputc((int)((0xFF00u >> (n + 1) & 0xFFu) | code >> 6 * n), out);
    while (n-- > 0)
        fputc((int)(0x80u | (code >> 6 * n & 0x3Fu)), out);
}

size_t text_width(const char *text)
{
    size_t width = 0, n;
    uint32_t code;

    for (; (n = utf8_next(text, &code)) > 0; text += n)
        width++;
    return width;
}

/* escapes */

/* Write one character; BEFORE and AFTER are the bytes around it, 0 at the ends. */
typedef void put_character(FILE *out, uint32_t code, char before, char after);

static void put_all(FILE *out, const char *text, put_character *put)
{
    char before = 0;
    uint32_t code;
    size_t n;

    for (; text && (n = utf8_next(text, &code)) > 0; text += n) {
        put(out, code, before, text[n]);
        before = text[n - 1];
    }
}

static bool is_control(uint32_t code)
{
    return code < 0x20 || code == 0x7F;
}

static void put_html(FILE *out, uint32_t code, char before, char after)
{
    (void)before;
    (void)after;
    switch (code) {
    case '&':
        fputs("&amp;", out);
        break;
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case '\'':
        fputs("&#39;", out);
        break;
    default:
        utf8_put(out,
                 is_control(code) && code != '\n' && code != '\t' ? REPLACEMENT : code);
    }
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* An underscore inside a word is no emphasis in CommonMark: d_infectious stays readable.
 */
static void put_markdown(FILE *out, uint32_t code, char before, char after)
{
    bool inside = code == '_' && is_alphanumeric(before) && is_alphanumeric(after);

    if (is_control(code))
        code = ' ';
    if (code < 0x80 && strchr("\\`*_{}[]<>|~&$#", (int)code) && !inside)
        fputc('\\', out);
    utf8_put(out, code);
}

/* Characters outside ASCII that LaTeX's text fonts lack, as mathematics. */
static const char *latex_symbol(uint32_t code)
{
    static const char *const greek[] = {
        "\\alpha",   "\\beta",   "\\gamma",    "\\delta", "\\varepsilon",
        "\\zeta",    "\\eta",    "\\theta",    "\\iota",  "\\kappa",
        "\\lambda",  "\\mu",     "\\nu",       "\\xi",    "o",
        "\\pi",      "\\rho",    "\\varsigma", "\\sigma", "\\tau",
        "\\upsilon", "\\varphi", "\\chi",      "\\psi",   "\\omega"};
    static const struct {
        uint32_t code;
        const char *text;
    } other[] = {
        {0xB0, "^\\circ"},  {0xB1, "\\pm"},     {0xB2, "^2"},       {0xB3, "^3"},
        {0xB9, "^1"},       {0xB5, "\\mu"},     {0xB7, "\\cdot"},   {0xD7, "\\times"},
        {0x393, "\\Gamma"}, {0x394, "\\Delta"}, {0x398, "\\Theta"}, {0x39B, "\\Lambda"},
        {0x3A3, "\\Sigma"}, {0x3A6, "\\Phi"},   {0x3A8, "\\Psi"},   {0x3A9, "\\Omega"},
        {0x2032, "'"},      {0x207B, "^-"},     {0x2212, "-"},      {0x221A, "\\surd"},
        {0x2264, "\\leq"},  {0x2265, "\\geq"},  {0x2299, "\\odot"}, {0x2609, "\\odot"}};

    if (code >= 0x3B1 && code <= 0x3C9)
        return greek[code - 0x3B1];
    for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
        if (other[i].code == code)
            return other[i].text;
    return NULL;
}

/* Latin letters that every LaTeX since 2018 can set: accents, not eth and thorn. */
static bool is_latex_letter(uint32_t code)
{
    return code >= 0xC0 && code <= 0xFF && code != 0xD0 && code != 0xDE && code != 0xF0 &&
           code != 0xFE && code != 0xD7 && code != 0xF7;
}

static void put_latex_wide(FILE *out, uint32_t code)
{
    const char *symbol = latex_symbol(code);

    if (symbol)
        fprintf(out, "$%s$", symbol);
    else if (is_latex_letter(code))
        utf8_put(out, code);
    else
        fprintf(out, "\\texttt{U+%04X}", (unsigned)code);
}

/* Brackets and stars are braced because \\ and \midrule would take them as arguments at
 * the beginning of a row, hyphens because two of them make a dash. */
static void put_latex(FILE *out, uint32_t code, char before, char after)
{
    bool dashes = code == '-' && (before == '-' || after == '-');

    if (code >= 0x80)
        put_latex_wide(out, code);
    else if (is_control(code))
        fputc(' ', out);
    else if (strchr("&%$#_{}", (int)code))
        fprintf(out, "\\%c", (int)code);
    else if (dashes || strchr("[]*`'\"", (int)code))
        fprintf(out, code == '`' ? "\\`{}" : "{%c}", (int)code);
    else if (code == '\\')
        fputs("\\textbackslash{}", out);
    else if (code == '~')
        fputs("\\textasciitilde{}", out);
    else if (code == '^')
        fputs("\\textasciicircum{}", out);
    else if (strchr("<>|", (int)code))
        fprintf(out, "$%c$", (int)code);
    else
        fputc((int)code, out);
}

static void put_plain(FILE *out, uint32_t code, char before, char after)
{
    (void)before;
    (void)after;
    utf8_put(out, is_control(code) ? ' ' : code);
}

static void put_quoted(FILE *out, uint32_t code, char before, char after)
{
    (void)before;
    (void)after;
    if (code == '"')
        fputc('"', out);
    utf8_put(out, code);
}

void html_put(FILE *out, const char *text)
{
    put_all(out, text, put_html);
}

void link_put(FILE *out, const char *path)
{
    static const char PLAIN[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "-._~/,=+@";
    for (; path && *path; path++)
        if (strchr(PLAIN, *path))
            fputc(*path, out);
        else
            fprintf(out, "%%%02X", (unsigned)(unsigned char)*path);
}

void markdown_put(FILE *out, const char *text)
{
    put_all(out, text, put_markdown);
}

void latex_put(FILE *out, const char *text)
{
    put_all(out, text, put_latex);
}

void plain_put(FILE *out, const char *text)
{
    put_all(out, text, put_plain);
}

/* RFC 4180. */
void csv_put(FILE *out, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    bool quoted =
        n > 0 && (strpbrk(text, ",\"\r\n") || text[0] == ' ' || text[n - 1] == ' ');

    if (quoted)
        fputc('"', out);
    put_all(out, text, put_quoted);
    if (quoted)
        fputc('"', out);
}

static const char *escaped(arena *a, const char *text, void (*put)(FILE *, const char *))
{
    char *buffer = NULL;
    size_t n = 0;
    const char *copy = NULL;
    FILE *out = open_memstream(&buffer, &n);

    if (!out)
        return NULL;
    put(out, text);
    if (fclose(out) == 0)
        copy = arena_copy(a, buffer);
    free(buffer);
    return copy;
}

const char *latex_escape(arena *a, const char *text)
{
    return escaped(a, text, latex_put);
}

const char *html_escape(arena *a, const char *text)
{
    return escaped(a, text, html_put);
}

const char *markdown_escape(arena *a, const char *text)
{
    return escaped(a, text, markdown_put);
}

const char *plain_text(arena *a, const char *text)
{
    return escaped(a, text, plain_put);
}

json_t *json_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *value = json_string(text); /* refuses what is not UTF-8 */
    arena *a = value ? NULL : arena_new();
    const char *clean = a ? plain_text(a, text) : NULL;
    if (clean)
        value = json_string(clean);
    arena_free(a);
    return value;
}

/* numbers */

const char *number_text(arena *a, double value, int digits)
{
    if (!isfinite(value))
        return "n/a";
    const char *text = arena_print(a, "%.*f", digits, value);
    bool zero = text && strspn(text, "-0.") == strlen(text);
    return zero && text[0] == '-' ? text + 1 : text; /* -0.000 says nothing */
}

/* Places after the point that leave SPREAD two significant digits. */
static int places_of(double spread)
{
    int places = 1 - (int)floor(log10(spread));

    if (spread * pow(10, places) >= 99.5) /* 0.0996 would be 0.100 */
        places--;
    return places;
}

const char *number_beside(arena *a, double value, double spread)
{
    double size = fmax(fabs(value), fabs(spread));

    if (!isfinite(value))
        return "n/a";
    if (!isfinite(spread) || spread <= 0)
        return arena_print(a, "%.4g", value);
    int places = places_of(spread);
    if (size < 1e7 && places <= 6)
        return number_text(a, value, places > 0 ? places : 0);
    int digits = value == 0 ? 2 : 1 + (int)floor(log10(fabs(value))) + places;
    digits = digits < 2 ? 2 : digits > 15 ? 15 : digits;
    return arena_print(a, "%.*e", digits - 1, value);
}

const char *count_text(arena *a, uint64_t n)
{
    char digits[24], text[32];
    size_t length =
        (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    size_t at = 0;

    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0 && length > 4)
            text[at++] = ',';
        text[at++] = digits[i];
    }
    text[at] = '\0';
    return arena_copy(a, text);
}

const char *level_text(arena *a, double level)
{
    return arena_print(a, "%.10g%%", 100 * level);
}

const char *duration_text(arena *a, double seconds)
{
    if (!isfinite(seconds) || seconds < 0)
        return "n/a";
    if (seconds < 9.95)
        return arena_print(a, "%.1f s", seconds);
    double whole = rint(seconds);
    if (whole < 60)
        return arena_print(a, "%.0f s", whole);
    if (whole < 3600)
        return arena_print(a, "%.0f min %.0f s", floor(whole / 60), fmod(whole, 60));
    double minutes = rint(whole / 60);
    return arena_print(a, "%.0f h %.0f min", floor(minutes / 60), fmod(minutes, 60));
}

void exact_put(FILE *out, double value)
{
    if (isfinite(value))
        fprintf(out, "%.17g", value);
    else
        fputs("n/a", out);
}

void latex_number_put(FILE *out, const char *number)
{
    const char *power = strchr(number, 'e');

    if (strcmp(number, "n/a") == 0)
        fputs("n/a", out);
    else if (power)
        fprintf(out, "%.*s\\times10^{%ld}", (int)(power - number), number,
                strtol(power + 1, NULL, 10));
    else
        fputs(number, out);
}

/* sheets */

int sheet_open(sheet *s)
{
    *s = (sheet){.a = arena_new()};
    if (s->a)
        s->out = open_memstream(&s->text, &s->n);
    if (s->out)
        return NRE_OK;
    arena_free(s->a);
    return fail(NRE_ENOMEM, "out of memory for a table");
}

int sheet_save(sheet *s, const char *path)
{
    bool whole = !ferror(s->out);

    whole = fclose(s->out) == 0 && whole;
    int status = whole ? file_write(path, s->text, s->n)
                       : fail(NRE_ENOMEM, "%s: out of memory", path);
    free(s->text);
    arena_free(s->a);
    *s = (sheet){0};
    return status;
}

int sheet_save_in(sheet *s, const char *folder, const char *name)
{
    const char *path = path_join(s->a, folder, name);

    if (path)
        return sheet_save(s, path);
    sheet_drop(s);
    return fail(NRE_ENOMEM, "%s: out of memory", name);
}

void sheet_drop(sheet *s)
{
    if (s->out)
        fclose(s->out);
    free(s->text);
    arena_free(s->a);
    *s = (sheet){0};
}

int json_save_in(const char *folder, const char *name, json_t *value)
{
    arena *a = arena_new();
    const char *path = a ? path_join(a, folder, name) : NULL;
    int status = path && value ? json_save(path, value)
                               : fail(NRE_ENOMEM, "%s: out of memory", name);

    json_decref(value);
    arena_free(a);
    return status;
}

/* columns */

void columns_start(columns *c, arena *a, size_t n, const char *align)
{
    *c = (columns){.a = a, .n = n, .align = align};
}

void columns_add(columns *c, const char *text)
{
    if (c->used == c->room) {
        size_t room = c->room ? 2 * c->room : 64;
        const char **cells = arena_alloc(c->a, room, sizeof *cells);
        if (!cells) {
            c->failed = true;
            return;
        }
        if (c->used > 0)
            memcpy(cells, c->cell, c->used * sizeof *cells);
        c->cell = cells;
        c->room = room;
    }
    c->failed = c->failed || !text;
    c->cell[c->used++] = text ? text : "";
}

/* Of each column; NULL when out of memory. */
static size_t *widths_of(const columns *c)
{
    size_t *width = arena_alloc(c->a, c->n, sizeof *width);

    for (size_t k = 0; width && k < c->n; k++) {
        width[k] = 3; /* the least that a Markdown rule needs */
        for (size_t i = k; i < c->used; i += c->n) {
            size_t w = text_width(c->cell[i]);
            width[k] = w > width[k] ? w : width[k];
        }
    }
    return c->failed ? NULL : width;
}

static void put_padded(FILE *out, const char *text, size_t width, bool right)
{
    int blanks = (int)(width - text_width(text));

    fprintf(out, "%*s%s%*s", right ? blanks : 0, "", text, right ? 0 : blanks, "");
}

static void put_rule(const columns *c, const size_t *width, FILE *out)
{
    for (size_t k = 0; k < c->n; k++) {
        bool right = c->align[k] == 'r';
        fputs(right ? "| " : "| :", out);
        for (size_t i = width[k]; i > 1; i--)
            fputc('-', out);
        fputs(right ? ": " : " ", out);
    }
    fputs("|\n", out);
}

int columns_markdown(const columns *c, FILE *out)
{
    const size_t *width = widths_of(c);

    if (!width)
        return fail(NRE_ENOMEM, "out of memory for a table");
    for (size_t i = 0; i < c->used; i++) {
        size_t k = i % c->n;
        fputs("| ", out);
        put_padded(out, c->cell[i], width[k], c->align[k] == 'r');
        fputs(k + 1 < c->n ? " " : " |\n", out);
        if (i + 1 == c->n)
            put_rule(c, width, out);
    }
    return NRE_OK;
}

int columns_plain(const columns *c, FILE *out, const char *indent)
{
    const size_t *width = widths_of(c);

    if (!width)
        return fail(NRE_ENOMEM, "out of memory for a table");
    for (size_t i = 0; i < c->used; i++) {
        size_t k = i % c->n;
        bool last = k + 1 == c->n, left = c->align[k] != 'r';
        if (!last || !left || c->cell[i][0]) /* no blanks at the end of a line */
            fputs(k == 0 ? indent : "  ", out);
        if (last && left)
            fputs(c->cell[i], out);
        else
            put_padded(out, c->cell[i], width[k], c->align[k] == 'r');
        if (last)
            fputc('\n', out);
    }
    return NRE_OK;
}
