/*
 * SPDX-License-Identifier: BSD-2-Clause
 *
 * Writes down which symbols of libdevmapper a process really calls, and who calls them: an auditing object for glibc's
 * dynamic linker (LD_AUDIT, rtld-audit(7)), x86-64.
 *
 * Every binding of a symbol of libdevmapper.so.1.02.1, lazy, at start or by dlsym, is led through a few instructions of
 * our own that set a mark and jump on, so that a call is seen, not only an import; so is every function address in the
 * data of an object that is there at start. Data symbols have no calls: their relocations are written down.
 *
 * DM_AUDIT_DIR: where each process leaves a file PROGRAM.PID.N with lines `FLAG CALLER SYMBOL VERSION`; FLAG is `+` for
 * called, `-` for bound only, `o` for a data symbol. The file is a shared mapping, complete also after a crash.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LIBRARY "libdevmapper.so.1.02.1"
#define RECORD_SIZE (1 << 20)
#define CODE_SIZE (1 << 18)
#define STEP 32 /* bytes of a trampoline */

static char *record, program[64];
static size_t *used; /* bytes of the record, in its last word: forked children, which bind symbols themselves, share it */
static unsigned char *code, *code_end;
static struct link_map *library;

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The record and the page of trampolines; made when the library is first met. */
static int prepare(void)
{
	const char *dir = getenv("DM_AUDIT_DIR");
	char path[4096];
	int fd = -1, n;

	if (record)
		return 1;
	if (!dir)
		return 0;
	for (n = 0; fd < 0 && n < 1000; n++) {
		snprintf(path, sizeof(path), "%s/%s.%d.%d", dir, program, (int) getpid(), n);
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	}
	if (fd < 0 || ftruncate(fd, RECORD_SIZE))
		return 0;
	record = mmap(NULL, RECORD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	close(fd);
	if (record == MAP_FAILED || code == MAP_FAILED) {
		record = NULL;
		return 0;
	}
	used = (size_t *) (record + RECORD_SIZE) - 1;
	code_end = code;
	return 1;
}

/* Adds a line, and returns where its flag is. */
static char *add_line(char flag, const char *caller, const char *symbol, const char *version)
{
	char line[512];
	int length = snprintf(line, sizeof(line), "%c %s %s %s\n", flag, caller, symbol, version);
	size_t at = __atomic_fetch_add(used, length, __ATOMIC_RELAXED);

	if (length >= (int) sizeof(line) || at + length > RECORD_SIZE - sizeof(*used)) {
		static const char full[] = "audit: no room for a record\n";
		(void) !write(2, full, sizeof(full) - 1);
		abort();
	}
	return memcpy(record + at, line, length);
}

/* A dynamic section entry of the object, its address made absolute where the linker has not done so. */
static const void *dynamic(const struct link_map *map, ElfW(Sxword) tag)
{
	const ElfW(Dyn) *d;

	for (d = map->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return (const void *) (d->d_un.d_ptr < map->l_addr ? d->d_un.d_ptr + map->l_addr : d->d_un.d_ptr);
	return NULL;
}

static size_t dynamic_value(const struct link_map *map, ElfW(Sxword) tag)
{
	const ElfW(Dyn) *d;

	for (d = map->l_ld; d->d_tag != DT_NULL; d++)
		if (d->d_tag == tag)
			return d->d_un.d_val;
	return 0;
}

/* The version of the symbol `index` that the library defines. */
static const char *version_of(unsigned index)
{
	const ElfW(Half) *versym = dynamic(library, DT_VERSYM);
	const ElfW(Verdef) *def = dynamic(library, DT_VERDEF);
	const char *names = dynamic(library, DT_STRTAB);
	size_t count = dynamic_value(library, DT_VERDEFNUM);

	for (; versym && def && count; count--) {
		if (def->vd_ndx == (versym[index] & 0x7fff)) {
			const ElfW(Verdaux) *aux = (const void *) ((const char *) def + def->vd_aux);
			return names + aux->vda_name;
		}
		def = (const void *) ((const char *) def + def->vd_next);
	}
	return "-";
}

unsigned la_version(unsigned version)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	path[n > 0 ? n : 0] = 0;
	snprintf(program, sizeof(program), "%s", *path ? base_name(path) : "unknown");
	return version < LAV_CURRENT ? version : LAV_CURRENT;
}

/* A trampoline to `target`, which marks the line that it adds. */
static uintptr_t trampoline(const char *caller, const char *name, unsigned index, uintptr_t target)
{
	unsigned char *at = code_end;
	char *mark;

	if (at + STEP > code + CODE_SIZE)
		return target;
	mark = add_line('-', caller, name, version_of(index));
	code_end += STEP;
	/* mov $mark,%r11; movb $'+',(%r11); mov $target,%r11; jmp *%r11. The calling convention leaves r11 to us. */
	memcpy(at, "\x49\xbb", 2), memcpy(at + 2, &mark, 8);
	memcpy(at + 10, "\x41\xc6\x03+", 4);
	memcpy(at + 14, "\x49\xbb", 2), memcpy(at + 16, &target, 8);
	memcpy(at + 24, "\x41\xff\xe3", 3);
	return (uintptr_t) at;
}

unsigned la_objopen(struct link_map *map, Lmid_t id, uintptr_t *cookie)
{
	const char *caller = *map->l_name ? base_name(map->l_name) : program;

	(void) id;
	*cookie = (uintptr_t) map;
	if (!strcmp(caller, LIBRARY)) {
		library = map;
		return prepare() ? LA_FLG_BINDTO : 0;
	}
	return LA_FLG_BINDFROM;
}

uintptr_t la_symbind64(Elf64_Sym *symbol, unsigned index, uintptr_t *from, uintptr_t *to, unsigned *flags, const char *name)
{
	const struct link_map *map = (const struct link_map *) *from;

	*flags |= LA_SYMB_NOPLTENTER | LA_SYMB_NOPLTEXIT;
	if ((struct link_map *) *to != library || !record || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC || strncmp(name, "dm_", 3))
		return symbol->st_value;
	return trampoline(map && *map->l_name ? base_name(map->l_name) : program, name, index, symbol->st_value);
}

/* The library's symbol `name` at `address`, or 0. GNU ld puts the string table right behind the symbols. */
static unsigned symbol_at(const char *name, uintptr_t address)
{
	const ElfW(Sym) *symbols = dynamic(library, DT_SYMTAB);
	const char *names = dynamic(library, DT_STRTAB);
	unsigned i, count = ((const char *) names - (const char *) symbols) / sizeof(*symbols);

	for (i = 1; i < count; i++)
		if (symbols[i].st_value + library->l_addr == address && !strcmp(names + symbols[i].st_name, name))
			return i;
	return 0;
}

/* What an object has of the library besides calls through its procedure linkage table. */
static void relocations(const struct link_map *map)
{
	const char *caller = *map->l_name ? base_name(map->l_name) : program;
	const ElfW(Rela) *rela = dynamic(map, DT_RELA);
	const ElfW(Sym) *symbols = dynamic(map, DT_SYMTAB);
	const char *names = dynamic(map, DT_STRTAB);
	size_t i, count = dynamic_value(map, DT_RELASZ) / sizeof(*rela), page = sysconf(_SC_PAGESIZE);

	for (i = 0; rela && symbols && names && i < count; i++) {
		const ElfW(Sym) *symbol = &symbols[ELF64_R_SYM(rela[i].r_info)];
		const char *name = names + symbol->st_name;
		uintptr_t *place = (uintptr_t *) (map->l_addr + rela[i].r_offset);
		unsigned type = ELF64_R_TYPE(rela[i].r_info), index;

		if (strncmp(name, "dm_", 3))
			continue;
		if (type == R_X86_64_COPY || (symbol->st_shndx == SHN_UNDEF && ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT))
			add_line('o', caller, name, "Base");
		else if ((type == R_X86_64_GLOB_DAT || type == R_X86_64_64) && (index = symbol_at(name, *place))) {
			/* It may lie in what the linker has made read-only; it stays writable. */
			void *start = (void *) ((uintptr_t) place & ~(page - 1));
			if (!mprotect(start, page, PROT_READ | PROT_WRITE))
				*place = trampoline(caller, name, index, *place);
		}
	}
}

void la_preinit(uintptr_t *cookie)
{
	const struct link_map *map = (const struct link_map *) *cookie;

	for (; library && record && map; map = map->l_next)
		if (map != library && map->l_ld && strncmp(base_name(map->l_name), "ld-linux", 8) && strcmp(map->l_name, "linux-vdso.so.1"))
			relocations(map);
}
