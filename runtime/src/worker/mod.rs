//! What runs long or touches the disk.

pub mod ytdlp;
