/* Runs VLFeat's own dense SIFT and Fisher encoding on raw numbers: built and called by the tests only.

   dsift: width height bin step first(int32) window sigma(float32) picture(float32[h*w])
          -> n(int32) descriptors(float32[n*128]) norms(float32[n])
   fisher: n d k flags(int32) weights(float32[k]) means(float32[k*d]) variances(float32[k*d]) data(float32[n*d])
          -> float32[2*k*d] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vl/dsift.h>
#include <vl/fisher.h>
#include <vl/imopv.h>

static void *take(size_t size, size_t count) {
  void *block = malloc(size * count + 1);
  if (!block || fread(block, size, count, stdin) != count) exit(3);
  return block;
}

static void give(void const *block, size_t size, size_t count) {
  if (fwrite(block, size, count, stdout) != count) exit(4);
}

static void dsift(void) {
  int *size = take(4, 5);
  float *setting = take(4, 2);
  int width = size[0], height = size[1];
  float *picture = take(4, (size_t)width * height);
  if (setting[1] > 0.01f) {
    int reach = (int)ceil(4.0 * setting[1]);
    float *kernel = malloc(sizeof(float) * (2 * reach + 1)), sum = 0;
    float *turned = malloc(sizeof(float) * width * height);
    for (int j = -reach; j <= reach; ++j) {
      double z = j / (double)setting[1];
      kernel[j + reach] = (float)exp(-0.5 * z * z);
      sum += kernel[j + reach];
    }
    for (int j = 0; j <= 2 * reach; ++j) kernel[j] /= sum;
    vl_imconvcol_vf(turned, height, picture, width, height, width, kernel, -reach, reach, 1,
                    VL_PAD_BY_CONTINUITY | VL_TRANSPOSE);
    vl_imconvcol_vf(picture, width, turned, height, width, height, kernel, -reach, reach, 1,
                    VL_PAD_BY_CONTINUITY | VL_TRANSPOSE);
  }
  VlDsiftFilter *filter = vl_dsift_new_basic(width, height, size[3], size[2]);
  vl_dsift_set_flat_window(filter, VL_TRUE);
  vl_dsift_set_window_size(filter, setting[0]);
  vl_dsift_set_bounds(filter, size[4], size[4], width - 1, height - 1);
  vl_dsift_process(filter, picture);
  int n = vl_dsift_get_keypoint_num(filter);
  give(&n, 4, 1);
  give(vl_dsift_get_descriptors(filter), 4, (size_t)n * vl_dsift_get_descriptor_size(filter));
  for (int i = 0; i < n; ++i) {
    float norm = (float)vl_dsift_get_keypoints(filter)[i].norm;
    give(&norm, 4, 1);
  }
}

static void fisher(void) {
  int *size = take(4, 4);
  int n = size[0], d = size[1], k = size[2];
  float *weights = take(4, k), *means = take(4, (size_t)k * d), *variances = take(4, (size_t)k * d);
  float *data = take(4, (size_t)n * d), *out = malloc(sizeof(float) * 2 * k * d);
  vl_fisher_encode(out, VL_TYPE_FLOAT, means, d, k, variances, weights, data, n, size[3]);
  give(out, 4, (size_t)2 * k * d);
}

int main(int count, char **words) {
  if (count == 2 && !strcmp(words[1], "dsift")) dsift();
  else if (count == 2 && !strcmp(words[1], "fisher")) fisher();
  else return 2;
  return 0;
}
