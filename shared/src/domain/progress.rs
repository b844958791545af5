//! One merged, monotonic progress over all streams and post-processing (VA-6).
