/**
 * A client of a container runtime, as a kubelet is one: pods without containers are started,
 * stopped, removed and looked at over the runtime's socket. Speaks the part of the Container
 * Runtime Interface that cri.proto draws. Every call has a time limit; a refusal of the runtime is
 * thrown with its words.
 */
import { join } from "node:path";
import { Client, credentials } from "@grpc/grpc-js";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";

const LIMIT_MS = 60_000;

const services = loadSync(join(import.meta.dirname, "cri.proto"), { defaults: true });

/** A pod as a kubelet asks for it. */
export interface PodSpec {
  name: string;
  namespace: string;
  annotations?: Record<string, string>;
  /** True for a pod in the node's own network (`hostNetwork: true`). */
  hostNetwork?: boolean;
  /** Tells one pod of a name from the next. */
  uid: string;
}

interface SandboxStatus {
  state: string | number;
  network: { ip: string; additionalIps: { ip: string }[] } | null;
}

interface Condition {
  type: string;
  status: boolean;
  message: string;
}

export class CriClient {
  private readonly client: Client;

  /** `socket` is the path of the runtime's socket. */
  constructor(socket: string) {
    this.client = new Client(`unix:${socket}`, credentials.createInsecure());
  }

  private call<T>(service: string, name: string, request: object): Promise<T> {
    const method = (services[`runtime.v1.${service}`] as ServiceDefinition)[name]!;
    const options = { deadline: Date.now() + LIMIT_MS, waitForReady: false };
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        (bytes) => method.responseDeserialize(bytes) as T,
        request,
        options,
        (fault, answer) => {
          if (fault) reject(new Error(`${name}: ${fault.details}`));
          else resolve(answer!);
        },
      );
    });
  }

  /** RunPodSandbox: starts a pod and answers its id. */
  async run(pod: PodSpec): Promise<string> {
    const network = pod.hostNetwork ? "NODE" : "POD";
    const namespaces = { network, pid: "CONTAINER", ipc: "POD" };
    const config = {
      metadata: { name: pod.name, uid: pod.uid, namespace: pod.namespace, attempt: 0 },
      hostname: pod.hostNetwork ? "" : pod.name,
      annotations: pod.annotations ?? {},
      linux: { securityContext: { namespaceOptions: namespaces } },
    };
    const answer = await this.call<{ podSandboxId: string }>("RuntimeService", "RunPodSandbox", {
      config,
    });
    return answer.podSandboxId;
  }

  /** StopPodSandbox: ends the pod's network and processes; may be repeated. */
  async stop(podSandboxId: string): Promise<void> {
    await this.call("RuntimeService", "StopPodSandbox", { podSandboxId });
  }

  /** RemovePodSandbox: forgets the pod, and stops it before if need be; may be repeated. */
  async remove(podSandboxId: string): Promise<void> {
    await this.call("RuntimeService", "RemovePodSandbox", { podSandboxId });
  }

  /** The addresses that the runtime tells the kubelet, the pod's first one first. */
  async addresses(podSandboxId: string): Promise<string[]> {
    const answer = await this.call<{ status: SandboxStatus }>(
      "RuntimeService",
      "PodSandboxStatus",
      { podSandboxId },
    );
    const { ip = "", additionalIps = [] } = answer.status.network ?? {};
    return ip === "" ? [] : [ip, ...additionalIps.map((entry) => entry.ip)];
  }

  /** The ids of all pods, running or not. */
  async list(): Promise<string[]> {
    const answer = await this.call<{ items: { id: string }[] }>(
      "RuntimeService",
      "ListPodSandbox",
      {},
    );
    return answer.items.map((item) => item.id);
  }

  /** What keeps the runtime from starting a pod of `image`; undefined where nothing does. */
  async obstacle(image: string): Promise<string | undefined> {
    const answer = await this.call<{ status: { conditions: Condition[] } }>(
      "RuntimeService",
      "Status",
      {},
    );
    const unmet = answer.status.conditions.find((condition) => !condition.status);
    if (unmet !== undefined) return `${unmet.type}: ${unmet.message}`;
    const known = await this.call<{ image: object | null }>("ImageService", "ImageStatus", {
      image: { image },
    });
    return known.image === null ? `no image ${image}` : undefined;
  }

  close(): void {
    this.client.close();
  }
}
