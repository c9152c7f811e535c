//! The word count of `benches/batch` as a batch map server of NumaFlow's Rust SDK: `words-server SOCKET INFO_FILE`.

#[path = "../../count.rs"]
mod count;

use numaflow::batchmap::{BatchMapper, BatchResponse, Datum, Message, Server};
use numaflow::shared::ServerExtras;
use tokio::sync::mpsc::Receiver;

struct Words;

#[tonic::async_trait]
impl BatchMapper for Words {
    async fn batchmap(&self, mut input: Receiver<Datum>) -> Vec<BatchResponse> {
        let mut responses = Vec::new();
        while let Some(datum) = input.recv().await {
            let text = String::from_utf8_lossy(&datum.value);
            let words = count::words(&text);
            let mut response = BatchResponse::from_id(datum.id);
            response.append(Message::new(words.to_le_bytes().to_vec()));
            responses.push(response);
        }
        responses
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(socket), Some(info)) = (arguments.next(), arguments.next()) else {
        return Err("usage: words-server SOCKET INFO_FILE".into());
    };
    Server::new(Words)
        .with_socket_file(socket)
        .with_server_info_file(info)
        .start()
        .await
}
