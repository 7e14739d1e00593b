"""`tf.train.Example` as a protobuf message, without importing TensorFlow.

The messages are those of tensorflow/core/example/{example,feature}.proto as
far as records use them, in a descriptor pool of their own: TensorFlow may be
imported in the same process.
"""

from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import message_factory
from google.protobuf import text_format

_SCHEMA = """
name: "ofa_aec_tf/data/example.proto"
package: "tensorflow"
syntax: "proto3"
message_type {
  name: "BytesList"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_BYTES }
}
message_type {
  name: "Int64List"
  field { name: "value" number: 1 label: LABEL_REPEATED type: TYPE_INT64 }
}
message_type {
  name: "Feature"
  oneof_decl { name: "kind" }
  field {
    name: "bytes_list" number: 1 label: LABEL_OPTIONAL oneof_index: 0
    type: TYPE_MESSAGE type_name: ".tensorflow.BytesList"
  }
  field {
    name: "int64_list" number: 3 label: LABEL_OPTIONAL oneof_index: 0
    type: TYPE_MESSAGE type_name: ".tensorflow.Int64List"
  }
}
message_type {
  name: "Features"
  nested_type {
    name: "FeatureEntry"
    options { map_entry: true }
    field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
    field {
      name: "value" number: 2 label: LABEL_OPTIONAL
      type: TYPE_MESSAGE type_name: ".tensorflow.Feature"
    }
  }
  field {
    name: "feature" number: 1 label: LABEL_REPEATED
    type: TYPE_MESSAGE type_name: ".tensorflow.Features.FeatureEntry"
  }
}
message_type {
  name: "Example"
  field {
    name: "features" number: 1 label: LABEL_OPTIONAL
    type: TYPE_MESSAGE type_name: ".tensorflow.Features"
  }
}
"""


def _example_class():
    pool = descriptor_pool.DescriptorPool()
    file = text_format.Parse(_SCHEMA, descriptor_pb2.FileDescriptorProto())
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(
        pool.FindMessageTypeByName("tensorflow.Example")
    )


Example = _example_class()
