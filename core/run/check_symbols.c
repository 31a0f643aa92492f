/* The dynamic symbols that a shared object exports, read from its file. */
#include "run/run.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MOST = 1 << 28 };

typedef struct object {
    const char *bytes;
    size_t n;
    const Elf64_Ehdr *head;
} object;

/* N items of SIZE bytes at offset AT; NULL when they are not in the file. */
static const void *part(const object *o, uint64_t at, uint64_t n, uint64_t size)
{
    uint64_t bytes, end;
    if (__builtin_mul_overflow(n, size, &bytes) ||
        __builtin_add_overflow(at, bytes, &end) || end > o->n || at % 8 != 0)
        return NULL;
    return o->bytes + at;
}

static bool is_exported(const Elf64_Sym *s)
{
    unsigned binding = ELF64_ST_BIND(s->st_info);
    return s->st_shndx != SHN_UNDEF && (binding == STB_GLOBAL || binding == STB_WEAK) &&
           ELF64_ST_VISIBILITY(s->st_other) == STV_DEFAULT;
}

/* Names that begin with _ are the compiler's and the linker's own. */
static int check_table(const object *o, const Elf64_Shdr *symbols,
                       const Elf64_Shdr *names)
{
    size_t n = symbols->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *s = part(o, symbols->sh_offset, n, sizeof *s);
    if (!s || names->sh_offset > o->n || names->sh_size > o->n - names->sh_offset ||
        names->sh_size == 0 || o->bytes[names->sh_offset + names->sh_size - 1] != 0)
        return fail(NRE_EPLUGIN, "its table of symbols is damaged");
    for (size_t i = 0; i < n; i++) {
        const char *name = o->bytes + names->sh_offset +
                           (s[i].st_name < names->sh_size ? s[i].st_name : 0);
        if (is_exported(&s[i]) && *name != '_' && strcmp(name, "nre_plugin_v1") != 0)
            return fail(NRE_EPLUGIN,
                        "it exports '%s' as well: make it static, or compile with "
                        "-fvisibility=hidden",
                        name);
    }
    return NRE_OK;
}

static int check_object(const object *o)
{
    const Elf64_Ehdr *h = part(o, 0, 1, sizeof *h);
    if (!h || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0 ||
        h->e_ident[EI_CLASS] != ELFCLASS64)
        return fail(NRE_EPLUGIN, "it is no 64-bit ELF file");
    const Elf64_Shdr *s = part(o, h->e_shoff, h->e_shnum, sizeof *s);
    for (size_t i = 0; s && i < h->e_shnum; i++)
        if (s[i].sh_type == SHT_DYNSYM && s[i].sh_link < h->e_shnum)
            return check_table(o, &s[i], &s[s[i].sh_link]);
    return fail(NRE_EPLUGIN, "it has no table of dynamic symbols");
}

int symbols_check(const char *path)
{
    char *bytes = NULL;
    object o;
    int status = file_read(path, FILE_MOST, &bytes, &o.n);
    if (status != NRE_OK)
        return status;
    o.bytes = bytes;
    status = check_object(&o);
    free(bytes);
    return status;
}
