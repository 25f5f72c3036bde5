//! What librdkafka can do and the `rdkafka` crate does not offer: many messages in one call, and the ends and ids of
//! topics.
//!
//! Invariant: all `unsafe` around librdkafka is in this file; no pointer leaves it.

use std::{
    ffi::{CStr, CString, c_char, c_int},
    ptr, slice,
    time::Duration,
};

use rdkafka::{
    TopicPartitionList,
    client::{Client, ClientContext},
    error::RDKafkaErrorCode,
};
use rdkafka_sys as sys;

use crate::event::Header;

/// A queue of messages of several partitions, taken out many at a time: half the CPU of a call for each.
#[derive(Debug)]
pub(super) struct Queue {
    native: *mut sys::rd_kafka_queue_t,
    messages: Vec<*mut sys::rd_kafka_message_t>,
}

// SAFETY: librdkafka's queues may be used from any thread; `messages` is empty between calls.
unsafe impl Send for Queue {}

/// One message, borrowed for the duration of a visit.
#[derive(Debug)]
pub(super) struct Message<'a> {
    /// Tells topics apart without reading their names; stable while the consumer lives.
    pub(super) topic: usize,
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) error: Option<RDKafkaErrorCode>,
    pub(super) timestamp: Option<i64>,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    native: &'a sys::rd_kafka_message_t,
}

impl Queue {
    /// A queue of this client that takes at most `messages_max` messages in one call.
    pub(super) fn new<C: ClientContext>(client: &Client<C>, messages_max: usize) -> Self {
        // SAFETY: the client is alive; the queue holds a reference to its innards.
        let queue = unsafe { sys::rd_kafka_queue_new(client.native_ptr()) };
        Self { native: queue, messages: Vec::with_capacity(messages_max) }
    }

    /// Sends the messages of these partitions here instead of to the consumer's queue. To be called before the
    /// partitions are assigned, or the first messages go to the consumer's queue.
    pub(super) fn take_over<C: ClientContext>(&self, client: &Client<C>, partitions: &TopicPartitionList) {
        for element in partitions.elements() {
            let Ok(topic) = CString::new(element.topic()) else { continue };
            // SAFETY: client, topic and queue are alive; the reference to the partition's queue is given back, which
            // leaves the forwarding in place.
            unsafe {
                let queue = sys::rd_kafka_queue_get_partition(client.native_ptr(), topic.as_ptr(), element.partition());
                if !queue.is_null() {
                    sys::rd_kafka_queue_forward(queue, self.native);
                    sys::rd_kafka_queue_destroy(queue);
                }
            }
        }
    }

    /// Waits up to `limit` for messages, shows each of those that are there, and frees them.
    pub(super) fn consume(&mut self, limit: Duration, mut visit: impl FnMut(&Message<'_>)) -> usize {
        let limit_ms = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        let room = self.messages.capacity();
        // SAFETY: the array has room for as many pointers as are asked for, and as many as are told were written.
        let count = unsafe {
            let count = sys::rd_kafka_consume_batch_queue(self.native, limit_ms, self.messages.as_mut_ptr(), room);
            let count = usize::try_from(count).unwrap_or(0).min(room);
            self.messages.set_len(count);
            count
        };
        for pointer in self.messages.drain(..) {
            // SAFETY: each pointer was handed out by the call above and is freed once, after its last use.
            unsafe {
                visit(&Message::new(&*pointer));
                sys::rd_kafka_message_destroy(pointer);
            }
        }
        count
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // SAFETY: created by `rd_kafka_queue_new`, destroyed once.
        unsafe { sys::rd_kafka_queue_destroy(self.native) };
    }
}

impl<'a> Message<'a> {
    fn new(message: &'a sys::rd_kafka_message_t) -> Self {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is alive, and `kind` is written before it is read.
        let timestamp = unsafe { sys::rd_kafka_message_timestamp(message, &raw mut kind) };
        let told = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && timestamp >= 0;
        let failed = message.err != sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;
        Self {
            topic: message.rkt.addr(),
            partition: message.partition,
            offset: message.offset,
            error: failed.then(|| message.err.into()),
            timestamp: told.then_some(timestamp),
            // SAFETY: pointer and length describe memory of the message, which outlives `'a`.
            key: unsafe { bytes(message.key.cast(), message.key_len) },
            // SAFETY: likewise.
            value: unsafe { bytes(message.payload.cast(), message.len) },
            native: message,
        }
    }

    /// Appends the headers in their order.
    pub(super) fn headers(&self, into: &mut Vec<Header<'a>>) {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is alive; on success `headers` belongs to it and outlives `'a`.
        unsafe {
            if sys::rd_kafka_message_headers(self.native, &raw mut headers) != NO_ERROR {
                return;
            }
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            let mut index = 0;
            while sys::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut size) == NO_ERROR
            {
                let name = CStr::from_ptr(name).to_str().unwrap_or_default();
                into.push(Header { name, value: bytes(value.cast(), size).unwrap_or_default() });
                index += 1;
            }
        }
    }

    /// The name of the topic.
    pub(super) fn topic_name(&self) -> String {
        // SAFETY: the topic outlives its messages, and its name is a C string.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.native.rkt)) }.to_string_lossy().into_owned()
    }
}

const NO_ERROR: sys::rd_kafka_resp_err_t = sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR;

unsafe fn bytes<'a>(start: *const u8, length: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller vouches for pointer, length and lifetime.
    (!start.is_null()).then(|| unsafe { slice::from_raw_parts(start, length) })
}

/// Which end of a partition.
#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    /// The offset of the first record that the log still holds.
    Earliest,
    /// The offset after the last record that a transaction does not hold back.
    Latest,
}

/// One end of each partition, in one request to each broker; a partition that has no leader is left out.
pub(super) fn list_offsets<C: ClientContext>(
    client: &Client<C>,
    partitions: &[(String, i32)],
    end: End,
    limit: Duration,
) -> Result<Vec<(String, i32, i64)>, RDKafkaErrorCode> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        let offset = match end {
            End::Earliest => rdkafka::Offset::Beginning,
            End::Latest => rdkafka::Offset::End,
        };
        let _ = list.add_partition_offset(topic, *partition, offset);
    }
    let call = Call::new(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_LISTOFFSETS, limit);
    // SAFETY: all arguments live until the answer is read; the answer until its event is destroyed, after the copies.
    unsafe {
        let level = sys::rd_kafka_IsolationLevel_t::RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
        let error = sys::rd_kafka_AdminOptions_set_isolation_level(call.options, level);
        sys::rd_kafka_error_destroy(error);
        sys::rd_kafka_ListOffsets(client.native_ptr(), list.ptr(), call.options, call.queue);
        call.answer(limit, |event| {
            let mut count = 0;
            let infos =
                sys::rd_kafka_ListOffsets_result_infos(sys::rd_kafka_event_ListOffsets_result(event), &raw mut count);
            let infos = if infos.is_null() { &[] } else { slice::from_raw_parts(infos, count) };
            let found = infos.iter().filter_map(|&info| {
                let found = &*sys::rd_kafka_ListOffsetsResultInfo_topic_partition(info);
                let topic = CStr::from_ptr(found.topic).to_string_lossy().into_owned();
                (found.err == NO_ERROR).then_some((topic, found.partition, found.offset))
            });
            found.collect()
        })
    }
}

/// The names and ids of those of these topics that exist; none is created by asking. Kafka before 2.8 tells no ids.
pub(super) fn topic_ids<C: ClientContext>(
    client: &Client<C>,
    names: &[String],
    limit: Duration,
) -> Result<Vec<(String, String)>, RDKafkaErrorCode> {
    let names: Vec<_> = names.iter().filter_map(|name| CString::new(name.as_str()).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    let call = Call::new(client, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS, limit);
    // SAFETY: as in `list_offsets`; the collection copies the names.
    unsafe {
        let collection = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        sys::rd_kafka_DescribeTopics(client.native_ptr(), collection, call.options, call.queue);
        sys::rd_kafka_TopicCollection_destroy(collection);
        call.answer(limit, |event| {
            let mut count = 0;
            let result = sys::rd_kafka_event_DescribeTopics_result(event);
            let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
            let topics = if topics.is_null() { &[] } else { slice::from_raw_parts(topics, count) };
            topics.iter().filter_map(|&topic| describe(topic)).collect()
        })
    }
}

unsafe fn describe(topic: *const sys::rd_kafka_TopicDescription_t) -> Option<(String, String)> {
    // SAFETY: the caller holds the answer that the description belongs to.
    unsafe {
        if sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic)) != NO_ERROR {
            return None;
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        let id = if id.is_null() { ptr::null() } else { sys::rd_kafka_Uuid_base64str(id) };
        let id = if id.is_null() { String::new() } else { CStr::from_ptr(id).to_string_lossy().into_owned() };
        let name = CStr::from_ptr(sys::rd_kafka_TopicDescription_name(topic)).to_string_lossy().into_owned();
        // All zeros: the broker tells none.
        (!id.trim_matches('A').is_empty()).then_some((name, id))
    }
}

/// An administrative request and the queue of its answer.
struct Call {
    options: *mut sys::rd_kafka_AdminOptions_t,
    queue: *mut sys::rd_kafka_queue_t,
}

impl Call {
    fn new<C: ClientContext>(client: &Client<C>, operation: sys::rd_kafka_admin_op_t, limit: Duration) -> Self {
        let limit_ms = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        let mut text: [c_char; 128] = [0; 128];
        // SAFETY: the client is alive; the options take the time limit or keep their own.
        unsafe {
            let options = sys::rd_kafka_AdminOptions_new(client.native_ptr(), operation);
            sys::rd_kafka_AdminOptions_set_request_timeout(options, limit_ms, text.as_mut_ptr(), text.len());
            Self { options, queue: sys::rd_kafka_queue_new(client.native_ptr()) }
        }
    }

    fn answer<T>(
        &self,
        limit: Duration,
        read: impl FnOnce(*mut sys::rd_kafka_event_t) -> Vec<T>,
    ) -> Result<Vec<T>, RDKafkaErrorCode> {
        let limit_ms = c_int::try_from(limit.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: the queue is alive; the event is read, then destroyed once.
        unsafe {
            let event = sys::rd_kafka_queue_poll(self.queue, limit_ms);
            if event.is_null() {
                return Err(RDKafkaErrorCode::OperationTimedOut);
            }
            let error = sys::rd_kafka_event_error(event);
            let answer = if error == NO_ERROR { Ok(read(event)) } else { Err(error.into()) };
            sys::rd_kafka_event_destroy(event);
            answer
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: both were created by `new` and are destroyed once.
        unsafe {
            sys::rd_kafka_queue_destroy(self.queue);
            sys::rd_kafka_AdminOptions_destroy(self.options);
        }
    }
}
