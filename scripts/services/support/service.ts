/** How a service gets onto the machine: from the packages of one registry, or of several. */
export interface Install {
  /** Debian packages, installed by apt-get. */
  readonly debian?: readonly string[];
  /** Maven artifacts, `group:artifact:version`; their jars and those they need are in `lib` of the service's folder. */
  readonly maven?: readonly string[];
  /** Exact PyPI requirements; their programs are in `venv/bin` of the service's folder. */
  readonly pypi?: readonly string[];
  /** Exact npm packages; their programs are in `node_modules/.bin` of the service's folder. */
  readonly npm?: readonly string[];
  /** Go packages with versions, or folders with a go.mod below scripts/services; their programs are in `bin` of the service's folder. */
  readonly go?: readonly string[];
}

/** Where one server is started, and how. */
export interface Place {
  /** Folder of its own, for all that it writes. */
  readonly folder: string;
  /** Free ports on 127.0.0.1, as many as the service asked for. */
  readonly ports: readonly [number, ...number[]];
  /** One of the service's variants. */
  readonly variant: string;
}

/** A server that answers. */
export interface Running {
  readonly host: string;
  readonly port: number;
  /** Metadata of a component that uses it, as a resource file writes it. */
  readonly settings: Readonly<Record<string, string>>;
  /** Asks it to end and waits until it has. */
  stop(): Promise<void>;
  /** Ends it at once, as a lost machine would. */
  kill9(): Promise<void>;
  /** Ends it if it runs, then starts it again on the same port over the same data. */
  restart(): Promise<void>;
}

/** A real server that tests and people start from its package. One file in scripts/services is one service. */
export interface Service {
  /** The file's name. */
  readonly name: string;
  /** Forms in which it can be started, with a word on each; the first one is the default. */
  readonly variants: Readonly<Record<string, string>>;
  readonly install: Install;
  /** Types of the components that can use it. */
  readonly components: readonly string[];
  /** How many ports a variant needs; default: one. */
  ports?(variant: string): number;
  /** Path of its program; undefined: not installed. */
  find(): string | undefined;
  /** Resolves when it answers; rejects with the end of its output when it ends before that. */
  start(place: Place): Promise<Running>;
}
