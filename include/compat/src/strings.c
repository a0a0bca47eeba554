/* SPDX-License-Identifier: BSD-2-Clause */
/* GNU's strerror_r(3), strverscmp(3), versionsort(3). */
#include <ctype.h>
#include <dirent.h>
#include <string.h>

#undef strerror_r

/* Through pointers whose names the headers of compat do not redirect. */
char *dmcompat_strerror_r(int, char *, size_t);
int strverscmp(const char *, const char *);
int versionsort(const struct dirent **, const struct dirent **);

char *
dmcompat_strerror_r(int error, char *buffer, size_t size)
{
	if (size > 0) {
		buffer[0] = '\0';
		/* The text is cut to the buffer; an unknown number has a text too. */
		(void)strerror_r(error, buffer, size);
	}
	return buffer;
}

/*
 * At the first difference, look at the run of digits that it is in or that begins there, in either text. With no digits
 * there, bytes decide. A run with a leading zero is a fraction: those are compared as texts, and the more zeroes the less.
 * Otherwise the longer run is the greater number.
 */
int
strverscmp(const char *a, const char *b)
{
	size_t same = 0, start, zeroes;

	while (a[same] != '\0' && a[same] == b[same])
		same++;
	if (a[same] == b[same])
		return 0;
	for (start = same; start > 0 && isdigit((unsigned char)a[start - 1]); start--)
		;
	for (zeroes = start; zeroes < same && a[zeroes] == '0'; zeroes++)
		;
	if (zeroes > start || (start == same && isdigit((unsigned char)a[same]) && isdigit((unsigned char)b[same]) &&
	    (a[same] == '0' || b[same] == '0'))) {
		/* A fraction: within its leading zeroes, another zero or digit means a smaller number than none. */
		int a_digit = isdigit((unsigned char)a[same]), b_digit = isdigit((unsigned char)b[same]);

		if (zeroes == same && a_digit != b_digit)
			return a_digit ? -1 : 1;
	} else {
		size_t a_end = same, b_end = same;

		while (isdigit((unsigned char)a[a_end]))
			a_end++;
		while (isdigit((unsigned char)b[b_end]))
			b_end++;
		if ((start < same || (a_end > same && b_end > same)) && a_end != b_end)
			return a_end < b_end ? -1 : 1;
	}
	return (unsigned char)a[same] < (unsigned char)b[same] ? -1 : 1;
}

int
versionsort(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}
