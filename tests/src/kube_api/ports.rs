//! What leads into a cluster from outside: a service's port on every node, and that of its load balancer, each on to a ready
//! pod behind the service.

use super::cluster::Cluster;
use super::controllers::set_status;
use super::resource;
use super::server::{BACKLOG, bind};
use super::store::{Key, Store, list, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A service, and which of its ports.
type Target = (Key, usize);

/// Opens and closes ports as services come and go.
pub(crate) async fn run(cluster: Arc<Cluster>) {
    let mut changes = cluster.changes();
    // A set of one task ends it when it is dropped.
    let mut open: BTreeMap<SocketAddr, (Target, JoinSet<()>)> = BTreeMap::new();
    loop {
        changes.borrow_and_update();
        balance(&cluster);
        let wanted = cluster.read(wanted);
        open.retain(|address, (target, _)| wanted.get(address) == Some(target));
        for (address, target) in wanted {
            open.entry(address).or_insert_with(|| {
                let (cluster, served) = (cluster.clone(), target.clone());
                (
                    target,
                    JoinSet::from_iter([serve(cluster, address, served)]),
                )
            });
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// Every service that asks for a load balancer gets one, all of them at one address.
fn balance(cluster: &Cluster) {
    let services = resource::of("Service");
    let waits = |service: &Value| {
        text(service, "/spec/type") == "LoadBalancer"
            && list(service, "/status/loadBalancer/ingress").is_empty()
    };
    let waiting: Vec<Key> = cluster.read(|store| {
        store
            .list(services, None)
            .filter(|(_, service)| waits(service))
            .map(|(key, _)| key.clone())
            .collect()
    });
    let status =
        json!({"loadBalancer": {"ingress": [{"ip": cluster.kubelet.balancer().to_string()}]}});
    for key in waiting {
        cluster.write(|store, _| set_status(store, &key, status.clone()));
    }
}

fn wanted(store: &Store) -> BTreeMap<SocketAddr, Target> {
    let nodes: Vec<IpAddr> = store
        .list(resource::of("Node"), None)
        .flat_map(|(_, node)| {
            list(node, "/status/addresses")
                .iter()
                .filter(|one| one["type"] == "InternalIP")
        })
        .filter_map(|address| text(address, "/address").parse().ok())
        .collect();
    let mut wanted = BTreeMap::new();
    for (key, service) in store.list(resource::of("Service"), None) {
        let balancers = list(service, "/status/loadBalancer/ingress")
            .iter()
            .filter_map(|one| text(one, "/ip").parse().ok());
        let balancers: Vec<IpAddr> = balancers.collect();
        for (at, port) in list(service, "/spec/ports").iter().enumerate() {
            let number = |field: &str| {
                port[field]
                    .as_u64()
                    .and_then(|number| u16::try_from(number).ok())
            };
            for (addresses, number) in [(&nodes, number("nodePort")), (&balancers, number("port"))]
            {
                let sockets = addresses
                    .iter()
                    .filter_map(|address| Some(SocketAddr::new(*address, number?)));
                wanted.extend(sockets.map(|socket| (socket, (key.clone(), at))));
            }
        }
    }
    wanted
}

async fn serve(cluster: Arc<Cluster>, address: SocketAddr, target: Target) {
    let listener: TcpListener = match bind(address).and_then(|socket| socket.listen(BACKLOG)) {
        Ok(listener) => listener,
        Err(error) => panic!("a port of the cluster's, {address}, cannot be had: {error}"),
    };
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                connections.spawn(carry(stream, pod_behind(&cluster, &target)));
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries bytes both ways; without a pod the connection ends.
async fn carry(mut stream: TcpStream, pod: Option<SocketAddr>) {
    let Some(pod) = pod else { return };
    if let Ok(mut upstream) = TcpStream::connect(pod).await {
        // A side that breaks is the other's to notice.
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut upstream).await;
    }
}

fn pod_behind(cluster: &Cluster, (service, at): &Target) -> Option<SocketAddr> {
    cluster.read(|store| {
        let endpoints = store.get(&Key::new(
            resource::of("Endpoints"),
            &service.namespace,
            &service.name,
        ))?;
        let subset = list(endpoints, "/subsets").first()?;
        let address = text(list(subset, "/addresses").first()?, "/ip")
            .parse()
            .ok()?;
        let port = list(subset, "/ports").get(*at)?["port"].as_u64()?;
        Some(SocketAddr::new(address, u16::try_from(port).ok()?))
    })
}
