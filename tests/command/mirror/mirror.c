// Gives back what it is given.

#include "mirror.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool exports_local_mirror_shapes_area(local_mirror_types_shape_t *shape, double *ret, mirror_string_t *err) {
  if (shape->tag != LOCAL_MIRROR_TYPES_SHAPE_CIRCLE) {
    char text[32];
    snprintf(text, sizeof text, "shape %d has no area", shape->tag);
    mirror_string_dup(err, text);
    local_mirror_types_shape_free(shape);
    return false;
  }
  mirror_string_t message;
  mirror_string_set(&message, "a circle");
  flowstone_plugin_log_log(FLOWSTONE_PLUGIN_LOG_LEVEL_INFO, &message);
  *ret = 3 * shape->val.circle * shape->val.circle;
  return true;
}

bool exports_local_mirror_sizes_area(exports_local_mirror_sizes_shape_t *shape, uint32_t *ret) {
  bool is_path = shape->tag == LOCAL_MIRROR_TYPES_SHAPE_PATH;
  if (is_path) {
    *ret = (uint32_t)shape->val.path.len;
  }
  local_mirror_types_shape_free(shape);
  return is_path;
}

double exports_mirror_scalars(uint8_t a, int64_t b, float c, bool d, uint32_t e, mirror_string_t *f, mirror_list_u8_t *g) {
  double sum = (double)a + (double)b + (double)c + (double)e + (double)f->len + (double)g->len;
  mirror_string_free(f);
  mirror_list_u8_free(g);
  return d ? sum : -sum;
}

void exports_mirror_maybe(uint32_t *a, mirror_string_t *b, mirror_tuple2_u32_string_t *c, mirror_result_u32_string_t *d,
                          mirror_list_option_point_t *ret) {
  size_t y = (b != NULL ? b->len : 0) + c->f0 + c->f1.len + (d->is_err ? 0 : d->val.ok);
  ret->ptr = calloc(2, sizeof *ret->ptr);
  ret->len = 2;
  ret->ptr[0].is_some = true;
  ret->ptr[0].val = (mirror_point_t){a != NULL ? *a : 7, y};
  if (b != NULL) {
    mirror_string_free(b);
  }
  mirror_tuple2_u32_string_free(c);
  mirror_result_u32_string_free(d);
}

void exports_mirror_add(mirror_list_shape_t *shapes, mirror_marks_t marks, mirror_color_t color, mirror_list_shape_t *ret) {
  ret->len = shapes->len + 1;
  ret->ptr = malloc(ret->len * sizeof *ret->ptr);
  if (shapes->len > 0) {
    memcpy(ret->ptr, shapes->ptr, shapes->len * sizeof *ret->ptr);
    free(shapes->ptr); // what its elements hold went into the result
  }
  mirror_shape_t *last = ret->ptr + shapes->len;
  last->tag = LOCAL_MIRROR_TYPES_SHAPE_NAMED;
  char text[8];
  snprintf(text, sizeof text, "%d", marks);
  mirror_string_dup(&last->val.named.f0, text);
  last->val.named.f1 = color;
}

void exports_mirror_turn(mirror_parcel_t *parcel, mirror_parcel_t *ret) {
  *ret = *parcel; // what it holds goes into the result
  ret->id += 1;
  ret->checked.is_err = !ret->checked.is_err;
  ret->marks ^= LOCAL_MIRROR_TYPES_MARKS_BOLD | LOCAL_MIRROR_TYPES_MARKS_WIDE;
  ret->ratio *= -2;
  ret->offset = (mirror_tuple3_s8_s16_s32_t){(int8_t)-ret->offset.f0, (int16_t)-ret->offset.f1, -ret->offset.f2};
  for (size_t i = 0, j = ret->shapes.len; i + 1 < j; i++) {
    local_mirror_types_tuple2_string_shape_t last = ret->shapes.ptr[--j];
    ret->shapes.ptr[j] = ret->shapes.ptr[i];
    ret->shapes.ptr[i] = last;
  }
}

bool exports_mirror_some(mirror_string_t *text, mirror_string_t *ret) {
  if (text->len == 4 && memcmp(text->ptr, "trap", 4) == 0) {
    fputs("so it goes\n", stderr);
    abort();
  }
  *ret = *text;
  return text->len > 0;
}

bool exports_mirror_nothing(mirror_string_t *text, mirror_string_t *err) {
  *err = *text;
  return text->len == 0;
}

bool exports_mirror_bare(mirror_string_t *text, mirror_string_t *ret) {
  *ret = *text;
  return text->len > 0;
}

void exports_mirror_nested(mirror_list_list_string_t *lists, mirror_tuple2_u32_list_list_u8_t *ret) {
  size_t count = 0;
  for (size_t i = 0; i < lists->len; i++) {
    count += lists->ptr[i].len;
  }
  ret->f0 = (uint32_t)lists->len;
  ret->f1.ptr = calloc(count + 1, sizeof *ret->f1.ptr);
  ret->f1.len = 0;
  for (size_t i = 0; i < lists->len; i++) {
    for (size_t j = 0; j < lists->ptr[i].len; j++) {
      mirror_string_t *text = &lists->ptr[i].ptr[j];
      ret->f1.ptr[ret->f1.len++] = (mirror_list_u8_t){text->ptr, text->len};
      // It went into the result: it is not to be freed with the argument.
      *text = (mirror_string_t){NULL, 0};
    }
  }
  mirror_list_list_string_free(lists);
}

bool exports_mirror_columns(mirror_list_option_point_t *points, mirror_option_list_u32_t *ret, mirror_string_t *err) {
  (void)err;
  ret->val.ptr = calloc(points->len + 1, sizeof *ret->val.ptr);
  ret->val.len = 0;
  for (size_t i = 0; i < points->len; i++) {
    if (points->ptr[i].is_some) {
      ret->val.ptr[ret->val.len++] = (uint32_t)points->ptr[i].val.x;
    }
  }
  ret->is_some = ret->val.len > 0;
  mirror_list_option_point_free(points);
  return true;
}
