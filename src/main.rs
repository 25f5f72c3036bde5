//! The program `yinliu`.

fn main() {}
