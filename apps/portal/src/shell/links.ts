/** Addresses of the portal's pages: the one place that knows them. */
export const to = {
  home: () => "/",
  account: () => "/account",
  hosts: () => "/hosts",
  host: (name: string) => `/hosts/host/${name}`,
  hostDisks: () => "/hosts/disk",
  disk: (team: string, namespace: string) => `/${team}/${namespace}/disk`,
  images: (team: string, namespace: string) => `/${team}/${namespace}/images`,
  registries: (team: string, namespace: string) => `/${team}/${namespace}/registries`,
  quota: (team: string, namespace?: string) => `/${team}/quota${namespace === undefined ? "" : `?namespace=${namespace}`}`,
  namespace: (team: string, namespace: string) => `/${team}/${namespace}`,
  app: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}`,
  deployments: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/deployments`,
  deployment: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/deployments/${name}`,
  build: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/builds/${name}`,
  /** Of a release or a build, by its name. */
  packages: (team: string, namespace: string, app: string, of: "releases" | "builds", name: string) =>
    `/${team}/${namespace}/apps/${app}/${of}/${name}/packages`,
  instance: (team: string, namespace: string, app: string, name: string) => `/${team}/${namespace}/apps/${app}/instances/${name}`,
  repository: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/repository`,
  appSettings: (team: string, namespace: string, app: string) => `/${team}/${namespace}/apps/${app}/settings`,
};
