/* embed.c - at build time: text files as C arrays.  embed OUT.c IN... defines, for
 * "a/b.c.in", the string template_b. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int give_up(const char *path)
{
    perror(path);
    return EXIT_FAILURE;
}

static int embed(FILE *out, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    int length = (int)strcspn(name, ".");
    FILE *in = fopen(path, "r");
    if (!in)
        return give_up(path);
    fprintf(out, "extern const char template_%.*s[];\n", length, name);
    fprintf(out, "const char template_%.*s[] = {\n", length, name);
    for (int c; (c = getc(in)) != EOF;)
        fprintf(out, "%d,%s", (signed char)c, c == '\n' ? "\n" : "");
    fputs("0};\n", out);
    int bad = ferror(in);
    fclose(in);
    return bad ? give_up(path) : EXIT_SUCCESS;
}

int main(int argc, char *argv[])
{
    int bad = EXIT_SUCCESS;
    FILE *out = argc > 2 ? fopen(argv[1], "w") : NULL;
    if (!out)
        return give_up(argc > 2 ? argv[1] : "usage: embed OUT.c IN...");
    for (int i = 2; i < argc && !bad; i++)
        bad = embed(out, argv[i]);
    return fclose(out) ? give_up(argv[1]) : bad;
}
