//! What makes a graph usable: names, calls that lead somewhere, an order in which its services can be started.

use super::text::is_name;
use super::{GraphFaults, GraphFile, Operation, Service};

/// Something that is wrong with a graph.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GraphFault {
    /// There is nothing in it.
    #[error("it has no services")]
    Empty,
    /// A name that cannot stand in a path or as a pod's name.
    #[error("`{0}` is not a name: use lower-case letters, digits and dashes")]
    Name(String),
    /// Two of a kind share a name.
    #[error("`{0}` is there twice")]
    Twice(String),
    /// The entry is not among the services.
    #[error("the entry `{0}` is not among its services")]
    Entry(String),
    /// The entry cannot be reached.
    #[error("the entry `{0}` has no operation with a route")]
    NoRoute(String),
    /// A call leads nowhere.
    #[error("`{from}` calls `{to}`, which is not there")]
    Call {
        /// The calling operation.
        from: String,
        /// What it calls.
        to: String,
    },
    /// A rule speaks of a parameter that is not there.
    #[error(
        "parameter `{parameter}` of `{operation}` is compared with `{other}`, which is not there"
    )]
    Parameter {
        /// The operation.
        operation: String,
        /// The parameter.
        parameter: String,
        /// What it is compared with.
        other: String,
    },
    /// A quantity that cannot be.
    #[error("{what} of `{operation}` must be from 0 to {max}")]
    Quantity {
        /// The operation.
        operation: String,
        /// The key.
        what: &'static str,
        /// The most.
        max: u32,
    },
    /// Services that wait for each other.
    #[error("these services call each other in a circle: {0}")]
    Circle(String),
}

/// The most CPU time a call may burn: past it no load is an open one.
const MAX_CPU_US: u32 = 1_000_000;
const MAX_MEMORY_KIB: u32 = 1 << 20;

/// Finds the start order, or all faults.
pub(super) fn check(file: &GraphFile) -> Result<Vec<usize>, GraphFaults> {
    let mut faults = Vec::new();
    if file.services.is_empty() {
        faults.push(GraphFault::Empty);
    }
    names(
        file.services.iter().map(|service| service.name.as_str()),
        "",
        &mut faults,
    );
    entry(file, &mut faults);
    for service in &file.services {
        names(
            service
                .operations
                .iter()
                .map(|operation| operation.name.as_str()),
            &service.name,
            &mut faults,
        );
        service
            .operations
            .iter()
            .for_each(|operation| check_operation(file, service, operation, &mut faults));
    }
    let order = start_order(file);
    if let Err(circle) = &order {
        faults.push(circle.clone());
    }
    match order {
        Ok(order) if faults.is_empty() => Ok(order),
        _ => Err(GraphFaults {
            app: file.app.clone(),
            faults,
        }),
    }
}

fn names<'a>(names: impl Iterator<Item = &'a str>, owner: &str, faults: &mut Vec<GraphFault>) {
    let mut seen = Vec::new();
    for name in names {
        if !is_name(name) {
            faults.push(GraphFault::Name(name.to_owned()));
        }
        if seen.contains(&name) {
            faults.push(GraphFault::Twice([owner, name].join(if owner.is_empty() {
                ""
            } else {
                "/"
            })));
        }
        seen.push(name);
    }
}

fn entry(file: &GraphFile, faults: &mut Vec<GraphFault>) {
    match file
        .services
        .iter()
        .find(|service| service.name == file.entry)
    {
        None => faults.push(GraphFault::Entry(file.entry.clone())),
        Some(service)
            if service
                .operations
                .iter()
                .all(|operation| operation.route.is_none()) =>
        {
            faults.push(GraphFault::NoRoute(file.entry.clone()));
        }
        Some(_) => {}
    }
}

fn check_operation(
    file: &GraphFile,
    service: &Service,
    operation: &Operation,
    faults: &mut Vec<GraphFault>,
) {
    let name = format!("{}/{}", service.name, operation.name);
    let known = |target: &str, wanted: &str| {
        file.services
            .iter()
            .any(|service| service.name == target && service.operation(wanted).is_some())
    };
    for call in operation
        .targets()
        .filter(|call| !known(&call.service, &call.operation))
    {
        faults.push(GraphFault::Call {
            from: name.clone(),
            to: call.to_string(),
        });
    }
    for parameter in &operation.parameters {
        let other = parameter.other().filter(|other| {
            operation
                .parameters
                .iter()
                .all(|known| known.name != *other)
        });
        if let Some(other) = other {
            let (operation, parameter) = (name.clone(), parameter.name.clone());
            faults.push(GraphFault::Parameter {
                operation,
                parameter,
                other: other.to_owned(),
            });
        }
    }
    let quantities = [
        ("cpu_us", operation.cpu_us, MAX_CPU_US),
        ("cpu_sigma", operation.cpu_sigma, 2),
        (
            "memory_kib",
            f64::from(operation.memory_kib),
            MAX_MEMORY_KIB,
        ),
    ];
    for (what, value, max) in quantities {
        if !(0.0..=f64::from(max)).contains(&value) {
            faults.push(GraphFault::Quantity {
                operation: name.clone(),
                what,
                max,
            });
        }
    }
}

/// Depth first, each service after its children. Order among equals is that of the file, so that it is always the same.
fn start_order(file: &GraphFile) -> Result<Vec<usize>, GraphFault> {
    let mut walk = Walk {
        file,
        state: vec![State::New; file.services.len()],
        path: Vec::new(),
        order: Vec::new(),
    };
    (0..file.services.len()).try_for_each(|index| walk.visit(index))?;
    Ok(walk.order)
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    New,
    Open,
    Done,
}

struct Walk<'a> {
    file: &'a GraphFile,
    state: Vec<State>,
    path: Vec<usize>,
    order: Vec<usize>,
}

impl Walk<'_> {
    fn visit(&mut self, index: usize) -> Result<(), GraphFault> {
        match self.state[index] {
            State::Done => return Ok(()),
            State::Open => return Err(self.circle(index)),
            State::New => {}
        }
        self.state[index] = State::Open;
        self.path.push(index);
        let file = self.file;
        for call in file.services[index]
            .operations
            .iter()
            .flat_map(Operation::targets)
        {
            if let Some(child) = file
                .services
                .iter()
                .position(|service| service.name == call.service)
            {
                self.visit(child)?;
            }
        }
        self.path.pop();
        self.state[index] = State::Done;
        self.order.push(index);
        Ok(())
    }

    fn circle(&self, again: usize) -> GraphFault {
        let start = self
            .path
            .iter()
            .position(|&index| index == again)
            .unwrap_or(0);
        let names = self.path[start..]
            .iter()
            .chain([&again])
            .map(|&index| self.file.services[index].name.as_str());
        GraphFault::Circle(names.collect::<Vec<_>>().join(" -> "))
    }
}
