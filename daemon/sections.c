/* SPDX-License-Identifier: BSD-2-Clause */
#include "sections.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

static unsigned sections_count(const struct sections *sections)
{
    return sections->all ? sections->all->len : 0;
}

static struct section *sections_at(const struct sections *sections, unsigned i)
{
    return g_ptr_array_index(sections->all, i);
}

bool sections_look_up(enum section_kind kind, const char *name, uint32_t *id)
{
    guint64 number;

    if (g_ascii_string_to_unsigned(name, 10, 0, UINT32_MAX - 1, &number, NULL)) {
        *id = (uint32_t)number;
        return true;
    }
    if (kind == SECTION_FOR_USER) {
        const struct passwd *user = name[0] ? getpwnam(name) : NULL;

        *id = user ? user->pw_uid : 0;
        return user != NULL;
    } else {
        const struct group *group = name[0] ? getgrnam(name) : NULL;

        *id = group ? group->gr_gid : 0;
        return group != NULL;
    }
}

static void section_free(gpointer data)
{
    struct section *section = data;

    for (unsigned key = 0; key < SECTION_KEYS; key++)
        setting_put(&section->of[key], NULL, SETTINGS_DEFAULT, NULL);
    g_free(section->title);
    g_free(section->name);
    g_free(section->place);
    g_free(section);
}

static struct section *section_new(enum section_kind kind, const char *name)
{
    static const char *const words[] = {
        [SECTION_FOR_ALL] = "Default", [SECTION_FOR_USER] = "User", [SECTION_FOR_GROUP] = "Group"};
    struct section *section = g_new0(struct section, 1);

    section->kind = kind;
    section->name = g_strdup(name);
    section->title = g_strjoin(" ", words[kind], name, NULL);
    section->found = kind == SECTION_FOR_ALL || sections_look_up(kind, name, &section->id);
    return section;
}

static bool section_is_same(const struct section *one, const struct section *other)
{
    if (one->kind != other->kind || one->found != other->found)
        return false;
    return one->found ? one->id == other->id : strcmp(one->name, other->name) == 0;
}

struct section *sections_find(const struct sections *sections, const struct section *section)
{
    for (unsigned i = 0; i < sections_count(sections); i++) {
        if (section_is_same(sections_at(sections, i), section))
            return sections_at(sections, i);
    }
    return NULL;
}

struct section *sections_get(struct sections *sections, enum section_kind kind, const char *name)
{
    struct section *new = section_new(kind, name), *known = sections_find(sections, new);

    if (known) {
        section_free(new);
        return known;
    }
    if (!sections->all)
        sections->all = g_ptr_array_new_with_free_func(section_free);
    g_ptr_array_add(sections->all, new);
    return new;
}

void sections_clear(struct sections *sections)
{
    if (sections->all)
        g_ptr_array_unref(sections->all);
    sections->all = NULL;
}

static void section_show(const struct section *section, GKeyFile *file)
{
    for (unsigned key = 0; key < SECTION_KEYS; key++) {
        const struct setting *setting = &section->of[key];

        if (setting->value)
            setting_write(setting, setting_place(setting), file, section->title,
                          rule_keys[key].name);
    }
}

/* What holds for all, and is no option, is shown whether or not anybody said it. */
static void sections_show_default(const struct sections *sections, GKeyFile *file)
{
    struct section *standard = section_new(SECTION_FOR_ALL, NULL);
    const struct section *said = sections_find(sections, standard);

    for (unsigned key = 0; key < SECTION_KEYS; key++) {
        const struct setting *setting = said ? &said->of[key] : NULL;
        const char *otherwise = rule_keys[key].standard ? rule_keys[key].standard : "";

        if (rule_keys[key].option != OPTION_COUNT)
            continue;
        if (setting && setting->value)
            setting_put(&standard->of[key], setting->value, setting->origin, setting->place);
        else
            setting_put(&standard->of[key], otherwise, SETTINGS_DEFAULT, NULL);
    }
    section_show(standard, file);
    section_free(standard);
}

void sections_show(const struct sections *sections, GKeyFile *file)
{
    sections_show_default(sections, file);
    for (unsigned i = 0; i < sections_count(sections); i++) {
        if (sections_at(sections, i)->kind != SECTION_FOR_ALL)
            section_show(sections_at(sections, i), file);
    }
}

/* `other` is NULL where there is none. */
static bool section_differs(const struct section *section, const struct section *other)
{
    for (unsigned key = 0; key < SECTION_KEYS; key++) {
        if (g_strcmp0(section->of[key].value, other ? other->of[key].value : NULL) != 0)
            return true;
    }
    return false;
}

static void sections_add_title(GString *titles, const struct section *section)
{
    g_string_append_printf(titles, "%s[%s]", titles->len ? ", " : "", section->title);
}

char *sections_differences(const struct sections *one, const struct sections *other)
{
    GString *titles = g_string_new(NULL);

    for (unsigned i = 0; i < sections_count(one); i++) {
        const struct section *section = sections_at(one, i);

        if (section_differs(section, sections_find(other, section)))
            sections_add_title(titles, section);
    }
    for (unsigned i = 0; i < sections_count(other); i++) {
        const struct section *section = sections_at(other, i);

        if (!sections_find(one, section) && section_differs(section, NULL))
            sections_add_title(titles, section);
    }
    return g_string_free(titles, FALSE);
}
