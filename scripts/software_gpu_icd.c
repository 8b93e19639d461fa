/* A Vulkan driver around Mesa's lavapipe that claims two features of arrays of images.
 *
 * Dawn, and so ONNX Runtime's WebGPU, refuses a driver without them; Mesa 22.3 (Debian 12) lacks them. Kernels that
 * compute read buffers and never such arrays. The features are taken out again before lavapipe makes a device.
 */
#include <dlfcn.h>
#include <string.h>
#include <vulkan/vk_icd.h>
#include <vulkan/vulkan.h>

#define EXPORTED VKAPI_ATTR __attribute__((visibility("default")))

static void *mesa;
static PFN_vkGetInstanceProcAddr instance_proc;
static PFN_vkVoidFunction (*physical_proc)(VkInstance, const char *);
static VkInstance instance; /* one a process is enough here */

static void load(void) {
    if (mesa)
        return;
    mesa = dlopen("libvulkan_lvp.so", RTLD_NOW | RTLD_LOCAL);
    if (!mesa)
        return;
    instance_proc = (PFN_vkGetInstanceProcAddr)dlsym(mesa, "vk_icdGetInstanceProcAddr");
    physical_proc = (PFN_vkVoidFunction(*)(VkInstance, const char *))dlsym(mesa, "vk_icdGetPhysicalDeviceProcAddr");
}

static void set_claims(VkPhysicalDeviceFeatures *features, VkBool32 value) {
    features->shaderSampledImageArrayDynamicIndexing = value;
    features->shaderStorageImageArrayDynamicIndexing = value;
}

static VKAPI_ATTR void VKAPI_CALL get_features(VkPhysicalDevice device, VkPhysicalDeviceFeatures *features) {
    ((PFN_vkGetPhysicalDeviceFeatures)instance_proc(instance, "vkGetPhysicalDeviceFeatures"))(device, features);
    set_claims(features, VK_TRUE);
}

static VKAPI_ATTR void VKAPI_CALL get_features2(VkPhysicalDevice device, VkPhysicalDeviceFeatures2 *features) {
    ((PFN_vkGetPhysicalDeviceFeatures2)instance_proc(instance, "vkGetPhysicalDeviceFeatures2"))(device, features);
    set_claims(&features->features, VK_TRUE);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *wanted,
                                                    const VkAllocationCallbacks *allocator, VkDevice *device) {
    VkDeviceCreateInfo info = *wanted;
    VkPhysicalDeviceFeatures features;
    VkBaseOutStructure *next;
    if (wanted->pEnabledFeatures) {
        features = *wanted->pEnabledFeatures;
        set_claims(&features, VK_FALSE);
        info.pEnabledFeatures = &features;
    }
    for (next = (VkBaseOutStructure *)info.pNext; next; next = next->pNext)
        if (next->sType == VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2)
            set_claims(&((VkPhysicalDeviceFeatures2 *)next)->features, VK_FALSE);
    return ((PFN_vkCreateDevice)instance_proc(instance, "vkCreateDevice"))(physical, &info, allocator, device);
}

static VKAPI_ATTR VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info,
                                                      const VkAllocationCallbacks *allocator, VkInstance *made) {
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)instance_proc(NULL, "vkCreateInstance");
    VkResult result = create(info, allocator, made);
    if (result == VK_SUCCESS)
        instance = *made;
    return result;
}

static PFN_vkVoidFunction ours(const char *name) {
    if (!strcmp(name, "vkCreateInstance"))
        return (PFN_vkVoidFunction)create_instance;
    if (!strcmp(name, "vkCreateDevice"))
        return (PFN_vkVoidFunction)create_device;
    if (!strcmp(name, "vkGetPhysicalDeviceFeatures"))
        return (PFN_vkVoidFunction)get_features;
    if (!strcmp(name, "vkGetPhysicalDeviceFeatures2") || !strcmp(name, "vkGetPhysicalDeviceFeatures2KHR"))
        return (PFN_vkVoidFunction)get_features2;
    return NULL;
}

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetInstanceProcAddr(VkInstance from, const char *name) {
    PFN_vkVoidFunction own = ours(name);
    load();
    return own || !mesa ? own : instance_proc(from, name);
}

EXPORTED PFN_vkVoidFunction VKAPI_CALL vk_icdGetPhysicalDeviceProcAddr(VkInstance from, const char *name) {
    PFN_vkVoidFunction own = strcmp(name, "vkCreateInstance") ? ours(name) : NULL;
    load();
    return own || !physical_proc ? own : physical_proc(from, name);
}

EXPORTED VkResult VKAPI_CALL vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
    VkResult (*negotiate)(uint32_t *);
    load();
    if (!mesa)
        return VK_ERROR_INCOMPATIBLE_DRIVER;
    negotiate = (VkResult(*)(uint32_t *))dlsym(mesa, "vk_icdNegotiateLoaderICDInterfaceVersion");
    return negotiate ? negotiate(version) : VK_SUCCESS;
}
