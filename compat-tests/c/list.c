/* Lists: every function, with the neighbours of each element after each step. */
#include <libdevmapper.h>

struct item {
	int n;
	struct dm_list list;
};

static struct item items[10];

static void show(const char *what, struct dm_list *head)
{
	struct item *i;

	printf("%-10s size %u empty %d:", what, dm_list_size(head), dm_list_empty(head));
	dm_list_iterate_items(i, head)
		printf(" %d%s%s", i->n, dm_list_start(head, &i->list) ? "^" : "", dm_list_end(head, &i->list) ? "$" : "");
	printf(" |");
	dm_list_iterate_back_items(i, head)
		printf(" %d", i->n);
	printf("\n");
}

static int number(struct dm_list *l)
{
	return l ? dm_list_item(l, struct item)->n : -1;
}

int main(void)
{
	struct dm_list a, b;
	struct item *i, *t;
	int k;

	dm_list_init(&a);
	dm_list_init(&b);
	for (k = 0; k < 10; k++)
		items[k].n = k;
	show("empty", &a);
	printf("%d %d\n", number(dm_list_first(&a)), number(dm_list_last(&a)));
	dm_list_splice(&a, &b);
	show("spliced", &a);
	for (k = 0; k < 5; k++)
		dm_list_add(&a, &items[k].list);
	for (k = 5; k < 10; k++)
		dm_list_add_h(&b, &items[k].list);
	show("a", &a);
	show("b", &b);
	for (k = 0; k < 10; k++)
		printf("%d:%d,%d ", k, number(dm_list_prev(k < 5 ? &a : &b, &items[k].list)),
		       number(dm_list_next(k < 5 ? &a : &b, &items[k].list)));
	printf("%d %d\n", number(dm_list_first(&b)), number(dm_list_last(&b)));
	dm_list_add(&items[2].list, &items[9].list);	/* in both lists' places: first taken out of b */
	dm_list_init(&b);
	for (k = 5; k < 9; k++)
		dm_list_add(&b, &items[k].list);
	show("inserted", &a);
	dm_list_del(&items[9].list);
	printf("%d\n", items[9].list.n == &items[2].list && items[9].list.p == &items[1].list);
	dm_list_move(&b, &items[0].list);
	dm_list_move(&b, &items[4].list);
	dm_list_move(&a, &items[1].list);
	show("a", &a);
	show("b", &b);
	dm_list_splice(&a, &b);
	show("a", &a);
	show("b", &b);
	dm_list_iterate_items_safe(i, t, &a)
		if (i->n & 1)
			dm_list_del(&i->list);
	show("even", &a);
	dm_list_splice(&b, &a);
	show("b", &b);
	return 0;
}
